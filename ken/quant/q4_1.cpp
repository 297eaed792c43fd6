// Q4_1: f16 scale d and minimum m, then 32 numbers of 4 bits; x ~ d q + m. Byte j holds values j (low bits) and j + 16.
#include "ken/quant/blocks.h"

namespace ken::quant {
namespace {

constexpr int64_t block = 32, half = block / 2;
constexpr size_t bytes = 2 + 2 + half;

void encode(const float* x, uint8_t* out) {
  const Range range = range_of<block>(x);
  const float d = (range.high - range.low) / 15.0f, inverse = inverse_of(d);
  store_half(out, d);
  store_half(out + 2, range.low);
  const auto level = [&](float value) { return uint8_t(std::min(15, int((value - range.low) * inverse + 0.5f))); };
  for (int64_t j = 0; j < half; ++j) out[4 + j] = uint8_t(level(x[j]) | level(x[j + half]) << 4);
}

constexpr Coding coding{.scaling = Scaling::line, .bits = 4, .offset = 0};

void split(const uint8_t* in, SplitBlock& to) {
  to.d = load_u16(in), to.m = load_u16(in + 2);
  for (size_t j = 0; j < half; ++j) to.q[j] = in[4 + j] & 15, to.q[j + half] = in[4 + j] >> 4;
}

const Register<Format> entry{block_format<block, bytes, encode, coding, split>(
    "q4_1", "Q4_1", "5 bits a weight: blocks of 32 with a scale and a minimum.",
    {.gguf = 3, .file_type = 3, .largest = f16_largest})};

}  // namespace
}  // namespace ken::quant
