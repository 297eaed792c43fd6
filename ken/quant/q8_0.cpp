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

void decode(const uint8_t* in, float* x) {
  const float d = load_half(in);
  for (int64_t i = 0; i < block; ++i) x[i] = d * float(int8_t(in[2 + i]));
}

const Register<Format> entry{{.card = {.id = "q8_0",
                                       .family = "quant",
                                       .title = "Q8_0",
                                       .paper = "ggml",
                                       .sentence = "8.5 bits a weight: blocks of 32 bytes with one scale.",
                                       .example = "ken quantize almanac -o q8_0.gguf --type q8_0"},
                              .gguf = 8,
                              .file_type = 7,
                              .block = block,
                              .bytes = bytes,
                              .largest = f16_largest * 127,
                              .encode = encode_blocks<block, bytes, encode>,
                              .decode = decode_blocks<block, bytes, decode>}};

}  // namespace
}  // namespace ken::quant
