// An Objective says what training minimises: a batch and a handle to the policy in, a loss and named metrics out.
#pragma once
#include <memory>

#include "ken/model/model.h"

namespace ken::train {

using at::Tensor;

// What one step sees: packed inputs, for each the token that follows, and how much that prediction counts.
struct TrainBatch {
  model::Batch inputs;
  Tensor targets;  // [T] i64
  Tensor weights;  // [T] f32, >= 0
  int64_t tokens() const { return targets.size(0); }
};

struct Policy {
  model::Model& model;
  nn::Compute compute = nn::Compute::fast;
  int64_t kept_blocks = -1;  // see model::ForwardOptions
  // [T, d_model] after the final norm; what logprobs.h turns into log probabilities.
  Tensor hidden(const model::Batch& batch) const;
};

// A mean over everything a step saw, on every rank: sum / weight.
struct Metric {
  std::string name;
  double sum = 0, weight = 0;
};

struct Loss {
  Tensor value;                 // scalar with gradients: this batch's part of the step's mean
  std::vector<Metric> metrics;  // the same names in the same order every time
};

class Objective {
 public:
  virtual ~Objective() = default;
  virtual std::string name() const = 0;
  // How much a batch counts. The loss is a sum over the batch divided by `total`, the weights of all ranks together:
  // the sum of the ranks' gradients is then the gradient of the step's mean.
  virtual double weight(const TrainBatch& batch) const = 0;
  virtual Loss loss(const Policy& policy, const TrainBatch& batch, double total) const = 0;
  virtual std::vector<std::string> metrics() const = 0;
};

// Next-token cross-entropy: the mean over all tokens by their weights. Metrics: loss, and answer_loss and answer_hit
// over the tokens that weigh more than 1.
std::unique_ptr<Objective> next_token();

}  // namespace ken::train
