// The claim of context gain (arXiv 2503.15888): under a passage that contradicts what the model knows, the gain tells
// answers that follow the passage from those that follow memory. The control is the answer's own probability.
#include "ken/base/select.h"
#include "ken/evidence/asking.h"
#include "ken/evidence/evidence.h"
#include "ken/stats/stats.h"
#include "ken/tasks/claim.h"

namespace ken::tasks::context_gain_claim_file {
namespace {

std::vector<Figure> run(const ClaimInput& input) {
  constexpr size_t most = 800;
  const std::vector<evidence::EstimatorSpec> estimators = {evidence::estimator_from("context-gain"),
                                                           evidence::estimator_from("context-gain:of=entropy"),
                                                           evidence::estimator_from("sequence-probability")};
  std::vector<data::ContextCase> cases;
  for (const auto& item : input.facts.contexts)
    if (item.kind == "conflict" && item.intent == "none") cases.push_back(item);
  std::vector<evidence::Question> questions;
  cases = pick(cases, draw(cases.size(), most, input.seed));
  for (const auto& item : cases) questions.push_back({evidence::with_passage(item, input.style), input.style, {}});
  const auto found = evidence::gather(input.model, questions, estimators, {nn::Compute::f32, input.seed, 0});
  std::vector<std::vector<double>> scores(estimators.size());
  std::vector<int> followed;
  for (size_t i = 0; i < found.size(); ++i) {
    const std::string source = evidence::followed(found[i].greedy.text, cases[i], cases[i].answers);
    if (source == "neither") continue;
    followed.push_back(source == "context");
    for (size_t e = 0; e < estimators.size(); ++e) scores[e].push_back(estimators[e].surer(found[i]));
  }
  return {{"AUROC of following the passage, likelihood gain", "", stats::auroc(scores[0], followed), ">=", 0.75, false,
           0.5},
          {"AUROC of following the passage, entropy gain", "", stats::auroc(scores[1], followed)},
          {"AUROC of following the passage, the answer's probability", "", stats::auroc(scores[2], followed)},
          {"answers that follow passage or memory", "answers", double(followed.size()), "", 0, true}};
}

const Register<ClaimEntry> entry{
    {.card = {.id = "context-gain",
              .family = "confidence",
              .sentence = "Where passage and memory disagree, the gain in the answer's likelihood tells which one it "
                          "follows with AUROC >= 0.75."},
     .run = run}};

}  // namespace
}  // namespace ken::tasks::context_gain_claim_file
