// Q5_K: as Q4_K, with a fifth bit: bit s of byte l, of the 32 that stand before the others, belongs to value l of
// sub-block s.
#include "ken/quant/affine.h"
#include "ken/quant/blocks.h"

namespace ken::quant {
namespace {

constexpr int64_t block = affine_block;
constexpr size_t fifth_at = 2 + 2 + affine_scale_bytes, values_at = fifth_at + affine_sub,
                 bytes = values_at + block / 2;

void encode(const float* x, uint8_t* out) {
  const AffineBlock fit = fit_affine(x, 31);
  store_half(out, fit.d);
  store_half(out + 2, fit.dmin);
  pack_scales(fit, out + 4);
  std::memset(out + fifth_at, 0, affine_sub);
  for (size_t s = 0; s < affine_subs; s += 2) {
    const uint8_t *low = &fit.q[s * affine_sub], *high = low + affine_sub;
    uint8_t* pair = out + values_at + s / 2 * affine_sub;
    for (int i = 0; i < affine_sub; ++i) {
      pair[i] = uint8_t((low[i] & 15) | (high[i] & 15) << 4);
      out[fifth_at + size_t(i)] |= uint8_t(low[i] >> 4 << s | high[i] >> 4 << (s + 1));
    }
  }
}

constexpr Coding coding{.scaling = Scaling::grid, .bits = 5, .offset = 0};

void split(const uint8_t* in, SplitBlock& to) {
  split_scales(in, to);
  const uint8_t* fifth = in + fifth_at;
  for (size_t s = 0; s < affine_subs; s += 2) {
    const uint8_t* pair = in + values_at + s / 2 * affine_sub;
    uint8_t *low = &to.q[s * affine_sub], *high = low + affine_sub;
    for (int i = 0; i < affine_sub; ++i) {
      low[i] = uint8_t((pair[i] & 15) | (fifth[i] >> s & 1) << 4);
      high[i] = uint8_t(pair[i] >> 4 | (fifth[i] >> (s + 1) & 1) << 4);
    }
  }
}

const Register<Format> entry{block_format<block, bytes, encode, coding, split>(
    "q5_k", "Q5_K", "5.5 bits a weight: blocks of 256 with eight searched scales and minima.",
    {.gguf = 13, .file_type = 16, .largest = f16_largest * 63})};

}  // namespace
}  // namespace ken::quant
