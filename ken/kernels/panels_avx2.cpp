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
  static constexpr bool wide = false, narrow_sums = true;
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
  // Bytes as pairs of 16 bits, the even ones and the odd ones: the product of bytes would saturate. x: R rows
  // that were widened.
  template <int R, int first, int n>
  static KEN_ALWAYS void add_wide(const std::byte* block, const int16_t* x, I (&acc)[R]) {
    const __m256i even = _mm256_set1_epi16(255);
#pragma GCC unroll 8
    for (int j = first; j < first + n; ++j) {
      const I w = load(block + 64 * j);
      const I parts[2] = {{_mm256_and_si256(w.a, even), _mm256_and_si256(w.b, even)}, shift_right<8>(w)};
#pragma GCC unroll 4
      for (int r = 0; r < R; ++r) {
#pragma GCC unroll 2
        for (int i = 0; i < 2; ++i) {
          const __m256i q = four_bytes(x + r * 32 + 16 * i + 2 * j);
          acc[r].a = _mm256_add_epi32(acc[r].a, _mm256_madd_epi16(parts[i].a, q));
          acc[r].b = _mm256_add_epi32(acc[r].b, _mm256_madd_epi16(parts[i].b, q));
          keep_order(acc[r]);
        }
      }
    }
  }

  template <Plane plane>
  static KEN_ALWAYS I level(const std::byte* block, int j) {
    const I both = load(block + 64 * (j % 4)), w = j < 4 ? low_nibbles(both) : high_nibbles(both);
    if constexpr (plane == Plane::nibble) return w;
    const I upper = load(block + 256 + 64 * (j / 4));
    switch (j % 4) {
      case 0:
        return with_upper(w, shift_left<4>(upper));
      case 1:
        return with_upper(w, shift_left<2>(upper));
      case 2:
        return with_upper(w, upper);
      default:
        return with_upper(w, shift_right<2>(upper));
    }
  }
  // Levels below 64 by the product of bytes, which adds pairs in 16 bits: eight such sums fit there of levels below 16,
  // two of others.
  template <Plane plane, int R, int first, int n>
  static KEN_ALWAYS void add_levels(const std::byte* block, const int8_t* x, I (&acc)[R]) {
    constexpr int some = plane == Plane::six ? 2 : n;
    const __m256i ones = _mm256_set1_epi16(1);
#pragma GCC unroll 4
    for (int from = first; from < first + n; from += some) {
      I sum[R];
#pragma GCC unroll 8
      for (int j = from; j < from + some; ++j) {
        const I w = level<plane>(block, j);
#pragma GCC unroll 4
        for (int r = 0; r < R; ++r) {
          const __m256i q = four_bytes(x + r * 32 + 4 * j);
          const I product = both(w, [&](__m256i half) { return _mm256_maddubs_epi16(half, q); });
          sum[r] =
              j == from ? product : I{_mm256_add_epi16(sum[r].a, product.a), _mm256_add_epi16(sum[r].b, product.b)};
          keep_order(sum[r]);
        }
      }
#pragma GCC unroll 4
      for (int r = 0; r < R; ++r)
        acc[r] = plus(acc[r], both(sum[r], [&](__m256i half) { return _mm256_madd_epi16(half, ones); }));
    }
  }
  // gcc would make all products first, and keep them in memory.
  static KEN_ALWAYS void keep_order(I& sum) { asm("" : "+x"(sum.a), "+x"(sum.b)); }
  template <typename T>
  static KEN_ALWAYS __m256i four_bytes(const T* p) {
    int32_t four;
    std::memcpy(&four, p, 4);
    return _mm256_set1_epi32(four);
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
    const __m256i all = four_bytes(x);
    const F later = {_mm256_fmadd_ps(high_of(w.a), high_of(all), acc.a),
                     _mm256_fmadd_ps(high_of(w.b), high_of(all), acc.b)};
    return {_mm256_fmadd_ps(low_of(w.a), low_of(all), later.a), _mm256_fmadd_ps(low_of(w.b), low_of(all), later.b)};
  }
  // To nearest even; NaN stays NaN.
  static KEN_ALWAYS __m256i rounded(__m256 y) {
    const __m256i bits = _mm256_castps_si256(y), upper = _mm256_srli_epi32(bits, 16);
    const __m256i up = _mm256_add_epi32(_mm256_and_si256(upper, _mm256_set1_epi32(1)), _mm256_set1_epi32(0x7fff));
    const __m256i nan = _mm256_castps_si256(_mm256_cmp_ps(y, y, _CMP_UNORD_Q));
    return _mm256_blendv_epi8(_mm256_srli_epi32(_mm256_add_epi32(bits, up), 16),
                              _mm256_or_si256(upper, _mm256_set1_epi32(64)), nan);
  }
  static KEN_ALWAYS void store_whole(F y, bool narrow, void* to) {
    auto* at = static_cast<__m256i*>(to);
    if (narrow) {
      const __m256i packed = _mm256_packus_epi32(rounded(y.a), rounded(y.b));
      return _mm256_storeu_si256(at, _mm256_permute4x64_epi64(packed, 0xd8));
    }
    _mm256_storeu_si256(at, _mm256_castps_si256(y.a));
    _mm256_storeu_si256(at + 1, _mm256_castps_si256(y.b));
  }
  static KEN_ALWAYS void store(F y, const PanelOutput& out, int64_t row, int64_t column, int64_t columns) {
    const int64_t bytes = out.bf16 ? 2 : 4, left = columns - column;
    std::byte* to = static_cast<std::byte*>(out.y) + (row * out.stride + column) * bytes;
    if (left >= lane_count) return store_whole(y, out.bf16, to);
    alignas(32) std::byte values[64];
    store_whole(y, out.bf16, values);
    std::memcpy(to, values, size_t(left * bytes));
  }
};

}  // namespace

PanelProduct avx2_product(Plane plane, Scaling scaling) { return choose<VectorKernels<Avx2>>(plane, scaling); }

}  // namespace ken::kernels
#endif
