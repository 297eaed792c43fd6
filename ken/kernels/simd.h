// What every kernel file shares: run-time dispatch by CPU feature, number loads and stores, a vectorisable exp.
#pragma once
#include <cmath>
#include <cstdint>
#include <cstring>

#include "ken/quant/half.h"

// One source, three machine codes; the loader picks by CPU feature. Bodies are always_inline templates, because a clone
// must not be a template itself.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && !defined(__SANITIZE_ADDRESS__)
#define KEN_CLONES __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#define KEN_CLONED 1
#else
#define KEN_CLONES
#define KEN_CLONED 0
#endif
#define KEN_INLINE inline __attribute__((always_inline))

namespace ken::kernels {

// Whether the code that runs has 32 registers of 16 numbers.
inline bool wide_registers() {
#if KEN_CLONED
  return __builtin_cpu_supports("avx512vl");
#else
  return false;
#endif
}

using bf16 = uint16_t;  // the storage of a bfloat16

KEN_INLINE float load(float x) { return x; }
KEN_INLINE float load(bf16 x) { return __builtin_bit_cast(float, uint32_t(x) << 16); }
KEN_INLINE float load(int8_t x) { return float(x); }
KEN_INLINE void store(float& to, float x) { to = x; }
KEN_INLINE void store(bf16& to, float x) {  // round to nearest even; NaN stays NaN because its payload is kept non-zero
  const uint32_t bits = __builtin_bit_cast(uint32_t, x);
  const uint32_t rounded = (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
  to = bf16((bits & 0x7fffffff) > 0x7f800000 ? (bits >> 16 | 64) : rounded);
}

// exp(x) to about 1 ulp for x <= 88 (Cephes): 2^n * p(r). Below -87.3 it gives 0 or a subnormal's neighbour.
KEN_INLINE float exp_(float x) {
  const float clamped = x < -87.3f ? -87.3f : (x > 88.3f ? 88.3f : x);
  const float n = std::nearbyint(clamped * 1.44269504088896341f);
  const float r = clamped - n * 0.693359375f + n * 2.12194440e-4f;
  float p = 1.9875691500e-4f;
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * r * r + r + 1.0f;
  const float scale = __builtin_bit_cast(float, (int32_t(n) + 127) << 23);
  return x < -87.3f ? 0.0f : (x != x ? x : p * scale);
}

KEN_INLINE float sigmoid_(float x) { return 1.0f / (1.0f + exp_(-x)); }

}  // namespace ken::kernels
