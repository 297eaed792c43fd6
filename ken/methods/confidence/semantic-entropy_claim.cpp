// Semantic entropy's claim (arXiv 2302.09664): it tells wrong answers from right ones, better than chance and near 0.8
// AUROC on question answering. Measured on a random third of the closed-book questions for each seed.
#include "ken/evidence/scored.h"
#include "ken/tasks/claim.h"

namespace ken::tasks::semantic_entropy_claim_file {
namespace {

std::vector<Figure> run(const ClaimInput& input) {
  const auto discrete = evidence::estimator_from("semantic-entropy"),
             likelihood = evidence::estimator_from("semantic-entropy:kind=likelihood");
  const auto probability = evidence::estimator_from("sequence-probability");
  const auto scored =
      evidence::judge(input.model, input.facts, input.style, {discrete, likelihood, probability}, input.seed, 800);
  return {{"AUROC of right answers, discrete", "", scored.auroc(0), ">=", 0.75, false, 0.5},
          {"AUROC of right answers, likelihood-weighted", "", scored.auroc(1), ">=", 0.75, false, 0.5},
          {"AUROC of the sequence probability, for comparison", "", scored.auroc(2)},
          {"answers sampled a question", "answers", 10, "", 0, true}};
}

const Register<ClaimEntry> entry{
    {.card = {.id = "semantic-entropy",
              .family = "confidence",
              .sentence = "Entropy over the meanings of ten samples tells right from wrong answers with AUROC >= 0.75 "
                          "(the paper reports about 0.79 on average)."},
     .run = run}};

}  // namespace
}  // namespace ken::tasks::semantic_entropy_claim_file
