#include "ken/evidence/scored.h"

#include <numeric>

#include "ken/base/rng.h"
#include "ken/evidence/asking.h"
#include "ken/stats/stats.h"

namespace ken::evidence {

double Scored::auroc(size_t estimator) const { return stats::auroc(surer[estimator], right); }

Scored judge(const model::Model& model, const data::FactSet& facts, const data::PromptStyle& style,
             const std::vector<EstimatorSpec>& estimators, uint64_t seed, size_t limit) {
  std::vector<size_t> order(facts.facts.size());
  std::iota(order.begin(), order.end(), size_t{0});
  Rng(seed).shuffle(order);
  if (order.size() > limit) order.resize(limit);
  Needs needs{.greedy = true};
  for (const auto& e : estimators) needs = needs | e.entry->needs(e.params);
  std::vector<generate::Request> requests;
  for (size_t i : order) requests.push_back(closed_book(facts.facts[i], style));
  const auto all = gather(model, requests, needs, {nn::Compute::f32, seed, 0});
  Scored result{std::vector<std::vector<double>>(estimators.size()), {}};
  for (size_t n = 0; n < all.size(); ++n) {
    result.right.push_back(data::same_answer(all[n].greedy.text, facts.facts[order[n]].answers));
    for (size_t e = 0; e < estimators.size(); ++e) result.surer[e].push_back(estimators[e].surer(all[n]));
  }
  return result;
}

}  // namespace ken::evidence
