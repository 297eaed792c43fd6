// The kernels with gradients: what model/ composes a forward pass from. T tokens, H heads, K kv heads, D head width.
#pragma once
#include "ken/kernels/kernels.h"

namespace ken::nn {

using at::Tensor;

// x / rms(x) * weight, x [T, d] f32, result in `dtype`.
Tensor rms_norm(const Tensor& x, const Tensor& weight, double eps, at::ScalarType dtype);
// {x + delta, norm(x + delta)}: bit-equal to the two steps.
std::pair<Tensor, Tensor> add_rms_norm(const Tensor& x, const Tensor& delta, const Tensor& weight, double eps,
                                       at::ScalarType dtype);
Tensor rope(const Tensor& x, const Tensor& angles, bool interleaved);  // angles: kernels::rope_angles
Tensor swiglu(const Tensor& gate, const Tensor& up);
// cap tanh(logits / cap) in f32, as Gemma 2 has it; the logits themselves where the cap is 0.
Tensor capped(const Tensor& logits, double cap);
// x of a layer with mean and bias (LayerNorm), result in `dtype`; plain torch operations.
Tensor layer_norm(const Tensor& x, const Tensor& weight, const Tensor& bias, double eps, at::ScalarType dtype);
// Causal attention inside packed sequences; offsets [S + 1].
Tensor attention(const Tensor& q, const Tensor& k, const Tensor& v, const Tensor& offsets, const kernels::Scores& how);

}  // namespace ken::nn
