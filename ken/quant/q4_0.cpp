// Q4_0: one f16 scale d, then 32 numbers of 4 bits; x ~ d (q - 8). The value of the largest magnitude becomes q = 0
// exactly, because the range -8..7 reaches further on that side. Byte j holds values j (low bits) and j + 16.
#include "ken/quant/blocks.h"

namespace ken::quant {
namespace {

constexpr int64_t block = 32, half = block / 2;
constexpr size_t bytes = 2 + half;

void encode(const float* x, uint8_t* out) {
  const float d = extreme<block>(x) / -8.0f, inverse = inverse_of(d);
  store_half(out, d);
  const auto level = [inverse](float value) { return uint8_t(std::min(15, int(value * inverse + 8.5f))); };
  for (int64_t j = 0; j < half; ++j) out[2 + j] = uint8_t(level(x[j]) | level(x[j + half]) << 4);
}

constexpr Coding coding{.scaling = Scaling::block, .bits = 4, .offset = 8};

void split(const uint8_t* in, SplitBlock& to) {
  to.d = load_u16(in);
  for (size_t j = 0; j < half; ++j) to.q[j] = in[2 + j] & 15, to.q[j + half] = in[2 + j] >> 4;
}

const Register<Format> entry{
    block_format<block, bytes, encode, coding, split>("q4_0", "Q4_0", "4.5 bits a weight: blocks of 32 with one scale.",
                                                      {.gguf = 2, .file_type = 2, .largest = f16_largest * 8})};

}  // namespace
}  // namespace ken::quant
