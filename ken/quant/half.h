// The 16-bit floats, as scalar references: the fast versions in kernels/ must equal these.
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace ken::quant {

inline float bf16_to_f32(uint16_t v) {
  const uint32_t bits = uint32_t(v) << 16;
  float f;
  std::memcpy(&f, &bits, 4);
  return f;
}
inline uint16_t f32_to_bf16(float f) {  // round to nearest even; NaN stays NaN
  uint32_t bits;
  std::memcpy(&bits, &f, 4);
  if ((bits & 0x7fffffff) > 0x7f800000) return uint16_t(bits >> 16 | 64);
  return uint16_t((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}
float f16_to_f32(uint16_t v);  // exact, incl. subnormals, inf, NaN
uint16_t f32_to_f16(float f);  // round to nearest even

}  // namespace ken::quant
