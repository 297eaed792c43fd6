// What the files of the block formats share: loops over blocks, numbers in little-endian bytes, the range of a block.
#pragma once
#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>

#include "ken/base/registry.h"
#include "ken/quant/format.h"
#include "ken/quant/half.h"

namespace ken::quant {

inline constexpr float f16_largest = 65504.0f;

// The loops that a format registers around the coding of one block.
template <int64_t block, size_t bytes, void (*encode)(const float*, uint8_t*)>
void encode_blocks(const float* x, std::byte* out, int64_t blocks) {
  for (int64_t b = 0; b < blocks; ++b, x += block, out += bytes) encode(x, reinterpret_cast<uint8_t*>(out));
}
template <int64_t block, size_t bytes, void (*decode)(const uint8_t*, float*)>
void decode_blocks(const std::byte* in, float* x, int64_t blocks) {
  for (int64_t b = 0; b < blocks; ++b, x += block, in += bytes) decode(reinterpret_cast<const uint8_t*>(in), x);
}

inline float load_half(const uint8_t* from) {
  uint16_t stored;
  std::memcpy(&stored, from, 2);
  return f16_to_f32(stored);
}
inline void store_half(uint8_t* to, float value) {
  const uint16_t stored = f32_to_f16(value);
  std::memcpy(to, &stored, 2);
}

// 1 / step; 0 where the step is far below f16's smallest value, so that the block is zero either way.
inline float inverse_of(float step) {
  const float inverse = step != 0 ? 1.0f / step : 0.0f;
  return std::isfinite(inverse) ? inverse : 0.0f;
}

// The value of the largest magnitude, with its sign; the first of equals.
template <int64_t n>
float extreme(const float* x) {
  float found = 0, magnitude = 0;
  for (int64_t i = 0; i < n; ++i) {
    if (std::fabs(x[i]) > magnitude) found = x[i], magnitude = std::fabs(x[i]);
  }
  return found;
}

struct Range {
  float low, high;
};
template <int64_t n>
Range range_of(const float* x) {
  Range range{x[0], x[0]};
  for (int64_t i = 1; i < n; ++i) range = {std::min(range.low, x[i]), std::max(range.high, x[i])};
  return range;
}

}  // namespace ken::quant
