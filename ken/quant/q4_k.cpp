// Q4_K: 256 values as f16 d and dmin, twelve bytes of scales and minima, and 4 bits a value: byte 32 p + l holds value
// l of sub-blocks 2 p (low bits) and 2 p + 1.
#include "ken/quant/affine.h"
#include "ken/quant/blocks.h"

namespace ken::quant {
namespace {

constexpr int64_t block = affine_block;
constexpr size_t values_at = 2 + 2 + affine_scale_bytes, bytes = values_at + block / 2;

void encode(const float* x, uint8_t* out) {
  const AffineBlock fit = fit_affine(x, 15);
  store_half(out, fit.d);
  store_half(out + 2, fit.dmin);
  pack_scales(fit, out + 4);
  for (size_t s = 0; s < affine_subs; s += 2) {
    const uint8_t *low = &fit.q[s * affine_sub], *high = low + affine_sub;
    uint8_t* pair = out + values_at + s / 2 * affine_sub;
    for (int i = 0; i < affine_sub; ++i) pair[i] = uint8_t(low[i] | high[i] << 4);
  }
}

constexpr Coding coding{.scaling = Scaling::grid, .bits = 4, .offset = 0};

void split(const uint8_t* in, SplitBlock& to) {
  split_scales(in, to);
  for (size_t s = 0; s < affine_subs; s += 2) {
    const uint8_t* pair = in + values_at + s / 2 * affine_sub;
    uint8_t *low = &to.q[s * affine_sub], *high = low + affine_sub;
    for (int i = 0; i < affine_sub; ++i) low[i] = pair[i] & 15, high[i] = pair[i] >> 4;
  }
}

const Register<Format> entry{block_format<block, bytes, encode, coding, split>(
    "q4_k", "Q4_K", "4.5 bits a weight: blocks of 256 with eight searched scales and minima.",
    {.gguf = 12, .file_type = 14, .largest = f16_largest * 63})};

}  // namespace
}  // namespace ken::quant
