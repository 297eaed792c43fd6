// Q5_1: f16 scale d and minimum m, then 32 numbers of 5 bits; x ~ d q + m. Bit i of the word after them is the fifth
// bit of value i; of the bytes after it, byte j holds the low bits of values j and j + 16.
#include "ken/quant/blocks.h"

namespace ken::quant {
namespace {

constexpr int64_t block = 32, half = block / 2;
constexpr size_t bytes = 2 + 2 + 4 + half;

void encode(const float* x, uint8_t* out) {
  const Range range = range_of<block>(x);
  const float d = (range.high - range.low) / 31.0f, inverse = inverse_of(d);
  store_half(out, d);
  store_half(out + 2, range.low);
  const auto level = [&](float value) { return uint32_t(std::min(31, int((value - range.low) * inverse + 0.5f))); };
  uint32_t fifth = 0;
  for (int64_t j = 0; j < half; ++j) {
    const uint32_t low = level(x[j]), high = level(x[j + half]);
    fifth |= low >> 4 << j | high >> 4 << (j + half);
    out[8 + j] = uint8_t((low & 15) | (high & 15) << 4);
  }
  std::memcpy(out + 4, &fifth, 4);
}

constexpr Coding coding{.scaling = Scaling::line, .bits = 5, .offset = 0};

void split(const uint8_t* in, SplitBlock& to) {
  to.d = load_u16(in), to.m = load_u16(in + 2);
  split_five(in + 4, in + 8, to);
}

const Register<Format> entry{block_format<block, bytes, encode, coding, split>(
    "q5_1", "Q5_1", "6 bits a weight: blocks of 32 with a scale and a minimum.",
    {.gguf = 7, .file_type = 9, .largest = f16_largest})};

}  // namespace
}  // namespace ken::quant
