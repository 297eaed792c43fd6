// Whether a model knows facts, by asking repeatedly.
#pragma once
#include "ken/evidence/asking.h"

namespace ken::evidence {

// Of each request, how many answers hold a right one: the greedy answer and `samples` at `temperature`, so 0 to
// samples + 1. accepted[i] are the right answers of request i.
std::vector<int> knowledge_counts(const model::Model& model, const std::vector<generate::Request>& requests,
                                  const std::vector<std::vector<std::string>>& accepted, int samples,
                                  double temperature, uint64_t seed, nn::Compute compute);

}  // namespace ken::evidence
