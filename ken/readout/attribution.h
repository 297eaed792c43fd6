// Gradient attribution: how much of a scalar each part of an activation accounts for. Integrated gradients follow the
// straight line from a baseline (Sundararajan et al., arXiv 1703.01365); gradient x input is one point of it.
#pragma once
#include <functional>

#include "ken/model/model.h"

namespace ken::readout {

using at::Tensor;

// F at several points at once: [m, ...] -> [m], differentiable. The values at different points do not depend on each
// other.
using Scalar = std::function<Tensor(const Tensor& points)>;

struct Attribution {
  Tensor scores;            // of the shape of x
  double from = 0, to = 0;  // F at the baseline and at x
  int64_t steps = 0;        // points of the line
  // |sum of scores - (to - from)| / |to - from|: 0 in the limit of many steps. Large where F hardly moves.
  double gap() const;
};

struct IntegrationOptions {
  int64_t steps = 32, most_steps = 256;  // doubled until the gap is small enough or the bound is reached
  double gap = 0.05;
  int64_t at_once = 64;  // points in one pass
};

// (x - x0) * mean over k of dF/dx at x0 + ((k - 1/2) / m) (x - x0): the midpoint rule, which never touches the baseline
// itself, where a norm would divide by nearly nothing.
Attribution integrated_gradients(const Scalar& f, const Tensor& x, const Tensor& baseline,
                                 const IntegrationOptions& options);
// (x - x0) * dF/dx at x: one step, without completeness.
Attribution gradient_times_input(const Scalar& f, const Tensor& x, const Tensor& baseline);

// --- scalars of a model. `wanted` and `other` are tokens; F is the logit of one minus the other's at the last position
// (other < 0: the log-probability of `wanted`).

struct Contrast {
  int32_t wanted, other = -1;
};
Tensor contrast(const Tensor& logits, const Contrast& answer);  // [m, vocab] -> [m]

// Of the residual states [m, T, d_model] that enter block `layer` (n_layers: the final norm): the points are the
// sequences of one pass, and nothing below the layer runs. At layer 0 they are embeddings, with learned positions added
// where the model has them.
Scalar of_layer(const model::Model& model, const std::vector<int32_t>& tokens, int64_t layer, const Contrast& answer,
                nn::Compute compute);
// What a model adds up before its first block: the embeddings [T, d_model] of tokens, the mean over the whole
// vocabulary [d_model], and learned positions [T, d_model] (zeros where there are none).
Tensor embeddings(const model::Model& model, const std::vector<int32_t>& tokens);
Tensor mean_embedding(const model::Model& model);
Tensor position_embeddings(const model::Model& model, int64_t tokens);

}  // namespace ken::readout
