// Log probabilities of target tokens under the output matrix, in chunks of rows: there is never a [tokens, vocab]
// tensor.
#pragma once
#include "ken/nn/matrix.h"

namespace ken::train {

using at::Tensor;

struct WeightedNll {
  Tensor loss;      // scalar f32 with gradients: sum of weights[t] * -log p(targets[t])
  Tensor nll, hit;  // [T] f32, no gradients: -log p(target); whether the target was the likeliest token
};
// The weights are known beforehand, so each chunk's gradient is made while its logits are at hand: one pass.
// cap: of the logits, as Gemma 2 has one; 0 for none.
WeightedNll weighted_nll(const Tensor& hidden, const nn::Matrix& output, double cap, const Tensor& targets,
                         const Tensor& weights, nn::Compute compute);

// log p(targets[t]) [T] f32 with gradients, for losses whose weights follow from these values: logits are made again
// in the backward pass.
Tensor logprobs(const Tensor& hidden, const nn::Matrix& output, double cap, const Tensor& targets, nn::Compute compute);

}  // namespace ken::train
