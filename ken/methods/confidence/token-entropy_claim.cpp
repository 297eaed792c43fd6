// The claim of token entropy (a baseline of arXiv 2311.07383): where the next-token distributions are flat, answers are
// wrong.
#include "ken/evidence/scored.h"
#include "ken/tasks/claim.h"

namespace ken::tasks::token_entropy_claim_file {
namespace {

std::vector<Figure> run(const ClaimInput& input) {
  const auto scored = evidence::judge(
      input.model, input.facts, input.style,
      {evidence::estimator_from("token-entropy"), evidence::estimator_from("token-entropy:over=max")}, input.seed, 800);
  return {{"AUROC of right answers, mean over tokens", "", scored.auroc(0), ">=", 0.75, false, 0.5},
          {"AUROC of right answers, largest over tokens", "", scored.auroc(1)}};
}

const Register<ClaimEntry> entry{
    {.card = {.id = "token-entropy",
              .family = "confidence",
              .sentence =
                  "The mean token entropy of the greedy answer tells right from wrong answers with AUROC >= 0.75."},
     .run = run}};

}  // namespace
}  // namespace ken::tasks::token_entropy_claim_file
