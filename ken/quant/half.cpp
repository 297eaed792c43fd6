// IEEE 754 binary16 <-> binary32 in integer arithmetic: the same bits on every machine.
#include "ken/quant/half.h"

namespace ken::quant {
namespace {

uint32_t bits_of(float f) {
  uint32_t bits;
  std::memcpy(&bits, &f, 4);
  return bits;
}

float float_of(uint32_t bits) {
  float f;
  std::memcpy(&f, &bits, 4);
  return f;
}

}  // namespace

float f16_to_f32(uint16_t v) {
  const uint32_t sign = uint32_t(v & 0x8000) << 16, exponent = v >> 10 & 31, mantissa = v & 0x3ff;
  if (exponent == 31) return float_of(sign | 0x7f800000 | mantissa << 13);  // inf, NaN with its payload
  if (exponent == 0) {  // zero or subnormal: mantissa * 2^-24 is exact in binary32
    const float f = float(mantissa) * 0x1p-24f;
    return float_of(sign | bits_of(f));
  }
  return float_of(sign | (exponent + 112) << 23 | mantissa << 13);
}

uint16_t f32_to_f16(float f) {
  const uint32_t bits = bits_of(f);
  const uint16_t sign = uint16_t(bits >> 16 & 0x8000);
  uint32_t magnitude = bits & 0x7fffffff;
  if (magnitude > 0x7f800000) return uint16_t(sign | 0x7e00 | (magnitude >> 13 & 0x3ff));
  if (magnitude >= 0x47800000) return uint16_t(sign | 0x7c00);  // 65536 and above
  if (magnitude < 0x38800000) {  // below 2^-14: adding 0.5 leaves multiples of 2^-24, rounded to even by the sum
    return uint16_t(sign | (bits_of(float_of(magnitude) + 0.5f) - 0x3f000000));
  }
  magnitude += 0xfff + (magnitude >> 13 & 1);  // a carry out of the mantissa is the next exponent, at last infinity
  return uint16_t(sign | (magnitude - 0x38000000) >> 13);
}

}  // namespace ken::quant
