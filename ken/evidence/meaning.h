// What estimators over several answers share: how answers are compared, and shares of meanings.
#pragma once
#include "ken/evidence/equivalence.h"
#include "ken/evidence/evidence.h"

namespace ken::evidence {

inline Param samples_param() { return {"samples", 10, "how many answers are sampled", 2, 1000}; }
inline Param temperature_param() { return {"temperature", 1.0, "of the sampling", 1e-3, 10}; }
inline Param judge_param(const std::string& standard) {
  return {"judge", standard, "what says how much two answers mean the same", -1e300, 1e300, meaning_judges};
}

// Samples, with what the judge reads of the model; the greedy answer too where it is compared with them.
inline Needs sampled(const Json& params, bool greedy = false) {
  Needs needs{.greedy = greedy, .samples = params.at("samples"), .temperature = params.at("temperature")};
  const std::string judge = params.value("judge", "rules");
  if (judge == "embedding" || judge == "entailment") needs.similarity.insert(judge);
  return needs;
}

// Two answers mean the same where their likeness reaches this: a rule fires, the model says yes, states nearly agree.
inline double least_likeness(const std::string& judge) { return judge == "embedding" ? 0.95 : 0.5; }

inline std::vector<int> meanings(const View& view, const Json& params) {
  const std::string judge = params.at("judge");
  return cluster_answers(view.similarity(judge), least_likeness(judge));
}

}  // namespace ken::evidence
