// What Q4_K and Q5_K share: 256 values in eight sub-blocks, each with a 6-bit scale and a 6-bit minimum, which are
// multiples of two f16 numbers of the whole block: x ~ d scale q - dmin minimum.
#pragma once
#include <array>
#include <cstdint>

#include "ken/quant/coding.h"

namespace ken::quant {

inline constexpr int affine_block = 256, affine_sub = 32, affine_subs = affine_block / affine_sub;
inline constexpr int affine_scale_bytes = 12;

struct AffineBlock {
  float d = 0, dmin = 0;  // exactly representable in f16
  std::array<uint8_t, affine_subs> scales{}, minima{};
  std::array<uint8_t, affine_block> q{};
};

// The block that stands for x with the smallest error found, each value weighted by |x| + the sub-block's root mean
// square: large weights move the output most. q runs from 0 to `largest`.
AffineBlock fit_affine(const float* x, int largest);

// The eight scales and minima in their twelve bytes.
void pack_scales(const AffineBlock& block, uint8_t* out);
// The head of a stored block: d, dmin and the twelve bytes.
void split_scales(const uint8_t* in, SplitBlock& to);

}  // namespace ken::quant
