// The claim of sequence probability (the baseline of arXiv 2311.07383): a likelier answer is oftener right.
#include "ken/evidence/scored.h"
#include "ken/tasks/claim.h"

namespace ken::tasks::sequence_probability_claim_file {
namespace {

std::vector<Figure> run(const ClaimInput& input) {
  const auto scored = evidence::judge(input.model, input.facts, input.style,
                                      {evidence::estimator_from("sequence-probability"),
                                       evidence::estimator_from("sequence-probability:normalize=true")},
                                      input.seed, 800);
  return {{"AUROC of right answers", "", scored.auroc(0), ">=", 0.75, false, 0.5},
          {"AUROC of right answers, length-normalised", "", scored.auroc(1)}};
}

const Register<ClaimEntry> entry{
    {.card = {.id = "sequence-probability",
              .family = "confidence",
              .sentence = "The probability of the greedy answer tells right from wrong answers with AUROC >= 0.75."},
     .run = run}};

}  // namespace
}  // namespace ken::tasks::sequence_probability_claim_file
