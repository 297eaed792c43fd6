// Functions with a derivative of their own, and derivatives asked for by name.
#pragma once
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/custom_function.h>

#include "ken/nn/torch.h"

namespace ken::nn {

inline bool wants_gradient(std::initializer_list<at::Tensor> inputs) {
  if (!at::GradMode::is_enabled()) return false;
  for (const auto& x : inputs)
    if (x.requires_grad()) return true;
  return false;
}

}  // namespace ken::nn
