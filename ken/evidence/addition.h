// What a model expects while a vector is added to its states.
#pragma once
#include "ken/evidence/options.h"

namespace ken::evidence {

// `offset` [d_model] is added at `point` to the last token of each prompt.
struct Addition {
  std::string point;
  at::Tensor offset;
};

// The log-probability of each item's first option after its prompt, in nats, from packed passes.
std::vector<double> continuation_logprobs(const model::Model& model, const std::vector<OptionItem>& items,
                                          const Addition& addition, nn::Compute compute);

}  // namespace ken::evidence
