// Q8_0: one f16 scale d = max|x| / 127, then 32 int8; x ~ d q. ggml's rule: q is rounded by the d before its own
// rounding to f16.
#include "ken/quant/blocks.h"

namespace ken::quant {
namespace {

constexpr int64_t block = 32;
constexpr size_t bytes = 2 + 32;

void encode(const float* x, uint8_t* out) {
  const float d = std::fabs(extreme<block>(x)) / 127.0f, inverse = inverse_of(d);
  store_half(out, d);
  for (int64_t i = 0; i < block; ++i) out[2 + i] = uint8_t(int8_t(std::round(x[i] * inverse)));
}

constexpr Coding coding{.scaling = Scaling::block, .bits = 8, .offset = 128};

void split(const uint8_t* in, SplitBlock& to) {
  to.d = load_u16(in);
  for (size_t i = 0; i < block; ++i) to.q[i] = in[2 + i] ^ 0x80;  // as unsigned: 128 more
}

const Register<Format> entry{block_format<block, bytes, encode, coding, split>(
    "q8_0", "Q8_0", "8.5 bits a weight: blocks of 32 bytes with one scale.",
    {.gguf = 8, .file_type = 7, .largest = f16_largest * 127})};

}  // namespace
}  // namespace ken::quant
