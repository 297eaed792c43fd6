// Parts of the forward pass: entering it at a layer, and leaving it from any layer through the final norm.
#pragma once
#include "ken/model/model.h"

namespace ken::model {

// Residual states that stand for everything before block `layer` (0 to n_layers): a pass that changes nothing before
// it need not compute it again. Taps at this layer's resid_pre see them; taps of earlier points do not run.
struct Start {
  int64_t layer = 0;
  Tensor resid;  // [T, d_model], f32: the rows of the batch, as hook_resid_pre of this layer gives them
};

// As forward(); null = from the embedding. With a cache, rows see what it holds of the layers that are run: a fork of a
// computed sequence, truncated where the rows begin, serves a pass over the last rows alone.
Output forward(const Model& model, const Batch& batch, const ForwardOptions& options, const Start* start);

// Residual states [n, d_model] of any layer through the final norm, the unembedding and its cap: [n, vocab] f32. Of the
// last layer they are the model's logits (the logit lens, nostalgebraist 2020). Differentiable.
Tensor read_out(const Model& model, const Tensor& resid, nn::Compute compute);
// Logits [n, vocab] f32 of rows that passed the final norm (Output::hidden), capped where the family caps them.
Tensor unembed(const Model& model, const Tensor& hidden, nn::Compute compute);

}  // namespace ken::model
