// Functions with a derivative of their own, and derivatives asked for by name.
#pragma once
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/custom_function.h>

#include "ken/nn/torch.h"

namespace ken::nn {

template <typename... Tensors>
bool wants_gradient(const Tensors&... inputs) {
  return at::GradMode::is_enabled() && (inputs.requires_grad() || ...);
}

}  // namespace ken::nn
