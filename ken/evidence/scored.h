// Estimators judged on a fact set: closed-book answers, which are right, and what each estimator says of them.
#pragma once
#include "ken/data/facts.h"
#include "ken/data/prompts.h"
#include "ken/evidence/evidence.h"

namespace ken::evidence {

struct Scored {
  std::vector<std::vector<double>> surer;  // [estimator][question], higher is surer
  std::vector<int> right;                  // [question]
  std::vector<std::string> groups;
  std::vector<int64_t> exposure;
  double auroc(size_t estimator) const;
};

// Asks a random `limit` of the facts (chosen by seed, which also seeds the samples).
Scored judge(const model::Model& model, const data::FactSet& facts, const data::PromptStyle& style,
             const std::vector<EstimatorSpec>& estimators, uint64_t seed, size_t limit,
             nn::Compute compute = nn::Compute::f32);

}  // namespace ken::evidence
