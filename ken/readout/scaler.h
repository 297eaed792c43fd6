// Standardised features, P problems side by side.
#pragma once
#include "ken/nn/torch.h"

namespace ken::readout {

inline constexpr double constant_feature = 1e-6;  // sd below this share of the magnitude is rounding

struct Scaler {
  at::Tensor mean, scale;  // [P, 1, d]; a constant feature has scale 0
  at::Tensor operator()(const at::Tensor& x) const { return (x - mean) * scale; }
};

// x [P, n, d]: mean and deviation over its items.
inline Scaler fit_scaler(const at::Tensor& x) {
  const at::Tensor mean = x.mean(at::IntArrayRef{1}, true);
  const at::Tensor sd = (x - mean).square().mean(at::IntArrayRef{1}, true).sqrt();
  const at::Tensor moves = sd > x.abs().amax(at::IntArrayRef{1}, true) * constant_feature;
  return {mean, at::where(moves, sd.reciprocal(), at::zeros_like(sd))};
}

}  // namespace ken::readout
