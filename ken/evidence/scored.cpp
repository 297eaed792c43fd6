#include "ken/evidence/scored.h"

#include <numeric>

#include "ken/base/rng.h"
#include "ken/evidence/asking.h"
#include "ken/evidence/shots.h"
#include "ken/stats/stats.h"

namespace ken::evidence {

double Scored::auroc(size_t estimator) const { return stats::auroc(surer[estimator], right); }

Scored judge(const model::Model& model, const data::FactSet& facts, const data::PromptStyle& style,
             const std::vector<EstimatorSpec>& estimators, uint64_t seed, size_t limit, nn::Compute compute) {
  std::vector<size_t> order(facts.facts.size());
  std::iota(order.begin(), order.end(), size_t{0});
  Rng(seed).shuffle(order);
  if (order.size() > limit) order.resize(limit);
  const data::PromptStyle shown = with_examples(style, facts, seed);
  std::vector<Question> questions;
  for (size_t i : order) questions.push_back({closed_book(facts.facts[i], style), shown, facts.facts[i]});
  const auto all = gather(model, questions, estimators, {compute, seed, 0});
  Scored result{std::vector<std::vector<double>>(estimators.size()), {}, {}, {}};
  for (size_t n = 0; n < all.size(); ++n) {
    result.right.push_back(data::same_answer(all[n].greedy.text, facts.facts[order[n]].answers));
    result.groups.push_back(facts.facts[order[n]].group);
    result.exposure.push_back(facts.facts[order[n]].exposure);
    for (size_t e = 0; e < estimators.size(); ++e) result.surer[e].push_back(estimators[e].surer(all[n]));
  }
  return result;
}

}  // namespace ken::evidence
