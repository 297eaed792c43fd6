// Q5_0: one f16 scale d, then 32 numbers of 5 bits; x ~ d (q - 16). Bit i of the word after the scale is the fifth bit
// of value i; of the bytes after it, byte j holds the low bits of values j and j + 16.
#include "ken/quant/blocks.h"

namespace ken::quant {
namespace {

constexpr int64_t block = 32, half = block / 2;
constexpr size_t bytes = 2 + 4 + half;

void encode(const float* x, uint8_t* out) {
  const float d = extreme<block>(x) / -16.0f, inverse = inverse_of(d);
  store_half(out, d);
  const auto level = [inverse](float value) { return uint32_t(std::min(31, int(value * inverse + 16.5f))); };
  uint32_t fifth = 0;
  for (int64_t j = 0; j < half; ++j) {
    const uint32_t low = level(x[j]), high = level(x[j + half]);
    fifth |= low >> 4 << j | high >> 4 << (j + half);
    out[6 + j] = uint8_t((low & 15) | (high & 15) << 4);
  }
  std::memcpy(out + 2, &fifth, 4);
}

constexpr Coding coding{.scaling = Scaling::block, .bits = 5, .offset = 16};

void split(const uint8_t* in, SplitBlock& to) {
  to.d = load_u16(in);
  split_five(in + 2, in + 6, to);
}

const Register<Format> entry{
    block_format<block, bytes, encode, coding, split>("q5_0", "Q5_0", "5.5 bits a weight: blocks of 32 with one scale.",
                                                      {.gguf = 6, .file_type = 8, .largest = f16_largest * 16})};

}  // namespace
}  // namespace ken::quant
