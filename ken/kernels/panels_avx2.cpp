// Products with panels on AVX2 with FMA: sixteen lanes are two vectors.
#if defined(__x86_64__)
#include <immintrin.h>

#include <cstring>

#include "ken/kernels/panel_kinds.h"
#include "ken/kernels/simd.h"

#pragma GCC target("avx2,fma,f16c")
#include "ken/kernels/panel_product.h"

namespace ken::kernels {
namespace {

struct Avx2 {
  static constexpr bool wide = false;
  struct I {
    __m256i a, b;
  };
  struct F {
    __m256 a, b;
  };
  template <typename Fn>
  static KEN_ALWAYS I both(I x, Fn fn) {
    return {fn(x.a), fn(x.b)};
  }
  static KEN_ALWAYS F zero() { return {_mm256_setzero_ps(), _mm256_setzero_ps()}; }
  static KEN_ALWAYS __m256i load32(const std::byte* p) {
    return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
  }
  static KEN_ALWAYS I load(const std::byte* p) { return {load32(p), load32(p + 32)}; }
  static KEN_ALWAYS __m256i low(__m256i x) { return _mm256_and_si256(x, _mm256_set1_epi8(15)); }
  static KEN_ALWAYS I low_nibbles(I x) { return {low(x.a), low(x.b)}; }
  static KEN_ALWAYS I high_nibbles(I x) { return {low(_mm256_srli_epi16(x.a, 4)), low(_mm256_srli_epi16(x.b, 4))}; }
  template <int n>
  static KEN_ALWAYS I shift_left(I x) {
    return {_mm256_slli_epi16(x.a, n), _mm256_slli_epi16(x.b, n)};
  }
  template <int n>
  static KEN_ALWAYS I shift_right(I x) {
    return {_mm256_srli_epi16(x.a, n), _mm256_srli_epi16(x.b, n)};
  }
  static KEN_ALWAYS I with_upper(I w, I upper) {
    const __m256i mask = _mm256_set1_epi8(0x30);
    return {_mm256_or_si256(w.a, _mm256_and_si256(upper.a, mask)),
            _mm256_or_si256(w.b, _mm256_and_si256(upper.b, mask))};
  }
  static KEN_ALWAYS I set(int32_t x) { return {_mm256_set1_epi32(x), _mm256_set1_epi32(x)}; }
  static KEN_ALWAYS F set(float x) { return {_mm256_set1_ps(x), _mm256_set1_ps(x)}; }
  // Even and odd bytes apart, as 16 bits: the usual byte product saturates at levels above 127.
  static KEN_ALWAYS __m256i dot8(__m256i acc, __m256i w, __m256i even, __m256i odd) {
    const __m256i first = _mm256_madd_epi16(_mm256_and_si256(w, _mm256_set1_epi16(255)), even);
    return _mm256_add_epi32(acc, _mm256_add_epi32(first, _mm256_madd_epi16(_mm256_srli_epi16(w, 8), odd)));
  }
  static KEN_ALWAYS I dot(I acc, I w, const int8_t* x) {
    int32_t four;
    std::memcpy(&four, x, 4);
    const __m256i all = _mm256_set1_epi32(four);
    const __m256i even = _mm256_srai_epi16(_mm256_slli_epi16(all, 8), 8), odd = _mm256_srai_epi16(all, 8);
    return {dot8(acc.a, w.a, even, odd), dot8(acc.b, w.b, even, odd)};
  }
  static KEN_ALWAYS F as_floats(I x) { return {_mm256_castsi256_ps(x.a), _mm256_castsi256_ps(x.b)}; }
  static KEN_ALWAYS I times(I x, I y) { return {_mm256_mullo_epi32(x.a, y.a), _mm256_mullo_epi32(x.b, y.b)}; }
  static KEN_ALWAYS I plus(I x, I y) { return {_mm256_add_epi32(x.a, y.a), _mm256_add_epi32(x.b, y.b)}; }
  static KEN_ALWAYS F to_float(I x) { return {_mm256_cvtepi32_ps(x.a), _mm256_cvtepi32_ps(x.b)}; }
  static KEN_ALWAYS F mul(F x, F y) { return {_mm256_mul_ps(x.a, y.a), _mm256_mul_ps(x.b, y.b)}; }
  static KEN_ALWAYS F fma(F x, F y, F z) { return {_mm256_fmadd_ps(x.a, y.a, z.a), _mm256_fmadd_ps(x.b, y.b, z.b)}; }
  static KEN_ALWAYS __m128i sixteen(const std::byte* p) { return _mm_loadu_si128(reinterpret_cast<const __m128i*>(p)); }
  static KEN_ALWAYS F load_half(const std::byte* p) {
    return {_mm256_cvtph_ps(sixteen(p)), _mm256_cvtph_ps(sixteen(p + 16))};
  }
  static KEN_ALWAYS I load_int8(const std::byte* p) {
    const __m128i x = sixteen(p);
    return {_mm256_cvtepi8_epi32(x), _mm256_cvtepi8_epi32(_mm_srli_si128(x, 8))};
  }
  static KEN_ALWAYS F load_uint8(const std::byte* p) {
    const __m128i x = sixteen(p);
    return to_float({_mm256_cvtepu8_epi32(x), _mm256_cvtepu8_epi32(_mm_srli_si128(x, 8))});
  }
  static KEN_ALWAYS void prefetch(const std::byte* p, int64_t bytes) {
#pragma GCC unroll 8
    for (int64_t i = 0; i < bytes; i += 64) _mm_prefetch(reinterpret_cast<const char*>(p + i), _MM_HINT_T0);
  }
  static KEN_ALWAYS __m256 high_of(__m256i v) {
    return _mm256_castsi256_ps(_mm256_and_si256(v, _mm256_set1_epi32(int32_t(0xffff0000))));
  }
  static KEN_ALWAYS __m256 low_of(__m256i v) { return _mm256_castsi256_ps(_mm256_slli_epi32(v, 16)); }
  static KEN_ALWAYS F dot_bf16(F acc, I w, const uint16_t* x) {
    int32_t two;
    std::memcpy(&two, x, 4);
    const __m256i all = _mm256_set1_epi32(two);
    const F later = {_mm256_fmadd_ps(high_of(w.a), high_of(all), acc.a),
                     _mm256_fmadd_ps(high_of(w.b), high_of(all), acc.b)};
    return {_mm256_fmadd_ps(low_of(w.a), low_of(all), later.a), _mm256_fmadd_ps(low_of(w.b), low_of(all), later.b)};
  }
  static KEN_ALWAYS void store(F y, const PanelOutput& out, int64_t row, int64_t column, int64_t columns) {
    const int64_t at = row * out.stride + column, n = columns - column < 16 ? columns - column : 16;
    float values[16];
    _mm256_storeu_ps(values, y.a);
    _mm256_storeu_ps(values + 8, y.b);
    if (!out.bf16) {
      std::memcpy(static_cast<float*>(out.y) + at, values, size_t(n) * sizeof(float));
      return;
    }
    for (int64_t i = 0; i < n; ++i) kernels::store(static_cast<bf16*>(out.y)[at + i], values[i]);
  }
};

}  // namespace

PanelProduct avx2_product(Plane plane, Scaling scaling) { return choose<VectorKernels<Avx2>>(plane, scaling); }

}  // namespace ken::kernels
#endif
