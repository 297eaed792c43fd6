// Products of two tensors by torch.
#pragma once
#include "ken/nn/torch.h"

namespace ken::kernels {

// Whether torch's products of bf16 on this CPU are made by instructions for them.
bool multiplies_bf16();
// a b in their type, [n, k] [k, m]; of bf16 by way of f32 where !multiplies_bf16(), rounded once as there.
at::Tensor matrix_product(const at::Tensor& a, const at::Tensor& b);

}  // namespace ken::kernels
