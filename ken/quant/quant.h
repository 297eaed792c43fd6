// Number formats of weights: scalar references, one file per format. The fast versions in kernels/ must equal these.
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

// Q8_0 (ggml): blocks of 32 values = one f16 scale d = max|x| / 127, then 32 int8; x ~ d * q. 34 bytes a block.
inline constexpr int64_t q8_0_block = 32;
inline constexpr size_t q8_0_bytes = 34;
void q8_0_quantize(const float* x, void* blocks, int64_t n);  // n a multiple of 32
void q8_0_dequantize(const void* blocks, float* x, int64_t n);

}  // namespace ken::quant
