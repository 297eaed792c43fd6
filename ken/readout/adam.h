// Adam (Kingma and Ba, arXiv 1412.6980) on one small tensor: a mask, a direction, a plane. A model's own parameters are
// trained by train/.
#pragma once
#include <cmath>

#include "ken/nn/torch.h"

namespace ken::readout {

class Adam {
 public:
  // What to add to the tensor for this gradient (of the tensor's shape) at this rate.
  at::Tensor step(const at::Tensor& gradient, double rate) {
    const at::NoGradGuard no_gradients;
    if (!mean_.defined()) mean_ = at::zeros_like(gradient), square_ = at::zeros_like(gradient);
    ++steps_;
    mean_ = mean_ * 0.9 + gradient * 0.1;
    square_ = square_ * 0.999 + gradient.square() * 0.001;
    const at::Tensor corrected = square_ / (1 - std::pow(0.999, steps_));
    return mean_ / (1 - std::pow(0.9, steps_)) / (corrected.sqrt() + 1e-8) * -rate;
  }

 private:
  at::Tensor mean_, square_;
  int steps_ = 0;
};

}  // namespace ken::readout
