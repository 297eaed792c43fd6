// Sixteen lanes as AVX-512 with VNNI has them. Included inside a target that has both.
#pragma once
#include <immintrin.h>

#include "ken/kernels/panel_product.h"

namespace ken::kernels {
namespace {

struct Avx512 {
  static constexpr bool wide = true, narrow_sums = false;
  using I = __m512i;
  using F = __m512;
  static KEN_ALWAYS F zero() { return _mm512_setzero_ps(); }
  static KEN_ALWAYS I load(const std::byte* p) { return _mm512_loadu_si512(p); }
  static KEN_ALWAYS I low_nibbles(I x) { return _mm512_and_si512(x, _mm512_set1_epi8(15)); }
  static KEN_ALWAYS I high_nibbles(I x) { return _mm512_and_si512(_mm512_srli_epi16(x, 4), _mm512_set1_epi8(15)); }
  template <int n>
  static KEN_ALWAYS I shift_left(I x) {
    return _mm512_slli_epi16(x, n);
  }
  template <int n>
  static KEN_ALWAYS I shift_right(I x) {
    return _mm512_srli_epi16(x, n);
  }
  // w | (upper & 0x30)
  static KEN_ALWAYS I with_upper(I w, I upper) {
    return _mm512_ternarylogic_epi32(w, upper, _mm512_set1_epi8(0x30), 0xf8);
  }
  static KEN_ALWAYS I set(int32_t x) { return _mm512_set1_epi32(x); }
  static KEN_ALWAYS F set(float x) { return _mm512_set1_ps(x); }
  static KEN_ALWAYS I dot(I acc, I w, const int8_t* x) {
    int32_t four;
    __builtin_memcpy(&four, x, 4);
    return _mm512_dpbusd_epi32(acc, w, _mm512_set1_epi32(four));
  }
  static KEN_ALWAYS F as_floats(I x) { return _mm512_castsi512_ps(x); }
  static KEN_ALWAYS I times(I a, I b) { return _mm512_mullo_epi32(a, b); }
  static KEN_ALWAYS I plus(I a, I b) { return _mm512_add_epi32(a, b); }
  static KEN_ALWAYS F to_float(I x) { return _mm512_cvtepi32_ps(x); }
  static KEN_ALWAYS F mul(F a, F b) { return _mm512_mul_ps(a, b); }
  static KEN_ALWAYS F fma(F a, F b, F c) { return _mm512_fmadd_ps(a, b, c); }
  static KEN_ALWAYS F load_half(const std::byte* p) {
    return _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
  }
  static KEN_ALWAYS __m128i sixteen(const std::byte* p) { return _mm_loadu_si128(reinterpret_cast<const __m128i*>(p)); }
  static KEN_ALWAYS I load_int8(const std::byte* p) { return _mm512_cvtepi8_epi32(sixteen(p)); }
  static KEN_ALWAYS F load_uint8(const std::byte* p) { return _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(sixteen(p))); }
  static KEN_ALWAYS void prefetch(const std::byte* p, int64_t bytes) {
#pragma GCC unroll 8
    for (int64_t i = 0; i < bytes; i += 64) _mm_prefetch(reinterpret_cast<const char*>(p + i), _MM_HINT_T0);
  }
  static KEN_ALWAYS F dot_bf16(F acc, I w, const uint16_t* x) {
    int32_t two;
    __builtin_memcpy(&two, x, 4);
    const I both = _mm512_set1_epi32(two), upper = _mm512_set1_epi32(int32_t(0xffff0000));
    const auto high = [&](I v) { return _mm512_castsi512_ps(_mm512_and_si512(v, upper)); };
    const auto low = [&](I v) { return _mm512_castsi512_ps(_mm512_slli_epi32(v, 16)); };
    acc = _mm512_fmadd_ps(high(w), high(both), acc);
    return _mm512_fmadd_ps(low(w), low(both), acc);
  }
  static KEN_ALWAYS void store(F y, const PanelOutput& out, int64_t row, int64_t column, int64_t columns) {
    const int64_t left = columns - column;
    const __mmask16 mask = left >= lane_count ? __mmask16(0xffff) : __mmask16((1u << left) - 1);
    if (!out.bf16) {
      _mm512_mask_storeu_ps(static_cast<float*>(out.y) + row * out.stride + column, mask, y);
      return;
    }
    const I bits = _mm512_castps_si512(y);
    const I odd = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
    I rounded = _mm512_srli_epi32(_mm512_add_epi32(bits, _mm512_add_epi32(odd, _mm512_set1_epi32(0x7fff))), 16);
    const __mmask16 nan = _mm512_cmp_ps_mask(y, y, _CMP_UNORD_Q);
    rounded = _mm512_mask_or_epi32(rounded, nan, _mm512_srli_epi32(bits, 16), _mm512_set1_epi32(64));
    _mm256_mask_storeu_epi16(static_cast<uint16_t*>(out.y) + row * out.stride + column, mask,
                             _mm512_cvtepi32_epi16(rounded));
  }
};

}  // namespace
}  // namespace ken::kernels
