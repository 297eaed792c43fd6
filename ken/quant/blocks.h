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
// The values of a block from its levels.
template <int64_t block, Coding coding>
void combine(const SplitBlock& from, float* x) {
  const float d = f16_to_f32(from.d);
  constexpr int64_t sub = coding.scaling == Scaling::sub ? 16 : 32;
  for (int64_t s = 0; s < block / sub; ++s) {
    float step = d, base = 0;
    if constexpr (coding.scaling == Scaling::line) base = f16_to_f32(from.m);
    if constexpr (coding.scaling == Scaling::sub) step = d * float(int8_t(from.scales[size_t(s)]));
    if constexpr (coding.scaling == Scaling::grid) {
      step = d * float(from.scales[size_t(s)]), base = -(f16_to_f32(from.m) * float(from.minima[size_t(s)]));
    }
    const uint8_t* q = &from.q[size_t(s * sub)];
    for (int64_t i = 0; i < sub; ++i) {
      const float value = step * float(int(q[i]) - coding.offset);
      x[s * sub + i] = coding.scaling == Scaling::line || coding.scaling == Scaling::grid ? value + base : value;
    }
  }
}
template <int64_t block, size_t bytes, Coding coding, void (*split)(const uint8_t*, SplitBlock&)>
void decode_blocks(const std::byte* in, float* x, int64_t blocks) {
  SplitBlock levels;
  for (int64_t b = 0; b < blocks; ++b, x += block, in += bytes) {
    split(reinterpret_cast<const uint8_t*>(in), levels);
    combine<block, coding>(levels, x);
  }
}

// GGUF's numbers of a format, and the magnitude that its scales still hold.
struct Numbers {
  uint32_t gguf;
  int64_t file_type;
  float largest;
};
// A format from the coding of its block.
template <int64_t block, size_t bytes, auto encode, const Coding& coding, auto split>
Format block_format(const std::string& id, const std::string& title, const std::string& sentence, Numbers numbers) {
  return {.card = {.id = id,
                   .family = "quant",
                   .title = title,
                   .paper = "ggml",
                   .sentence = sentence,
                   .example = "ken quantize almanac -o " + id + ".gguf --type " + id},
          .gguf = numbers.gguf,
          .file_type = numbers.file_type,
          .block = block,
          .bytes = bytes,
          .largest = numbers.largest,
          .encode = encode_blocks<block, bytes, encode>,
          .decode = decode_blocks<block, bytes, coding, split>,
          .coding = coding,
          .split = split};
}

inline uint16_t load_u16(const uint8_t* from) {
  uint16_t stored;
  std::memcpy(&stored, from, 2);
  return stored;
}
inline float load_half(const uint8_t* from) { return f16_to_f32(load_u16(from)); }
inline void store_half(uint8_t* to, float value) {
  const uint16_t stored = f32_to_f16(value);
  std::memcpy(to, &stored, 2);
}

// SplitBlock of 32 values in five bits: the fifth ones together, then pairs of the others sixteen apart.
inline void split_five(const uint8_t* fifths, const uint8_t* pairs, SplitBlock& to) {
  uint32_t fifth;
  std::memcpy(&fifth, fifths, 4);
  for (size_t j = 0; j < 16; ++j) {
    to.q[j] = uint8_t((pairs[j] & 15) | (fifth >> j & 1) << 4);
    to.q[j + 16] = uint8_t(pairs[j] >> 4 | (fifth >> (j + 16) & 1) << 4);
  }
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
