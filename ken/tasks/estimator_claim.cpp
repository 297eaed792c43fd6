#include "ken/tasks/estimator_claim.h"

#include "ken/evidence/scored.h"

namespace ken::tasks {

std::vector<Figure> aurocs(const ClaimInput& input, const std::vector<std::string>& estimators, double bar) {
  constexpr size_t questions = 800;
  std::vector<evidence::EstimatorSpec> specs;
  for (const auto& text : estimators) specs.push_back(evidence::estimator_from(text));
  const auto scored = evidence::judge(input.model, input.facts, input.style, specs, input.seed, questions);
  std::vector<Figure> figures;
  for (size_t e = 0; e < specs.size(); ++e) {
    Figure figure{"AUROC of right answers, " + estimators[e], "", scored.auroc(e)};
    if (e == 0) figure.op = ">=", figure.bar = bar, figure.null = 0.5;
    figures.push_back(std::move(figure));
  }
  return figures;
}

}  // namespace ken::tasks
