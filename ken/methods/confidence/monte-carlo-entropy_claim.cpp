// The claim of monte-carlo-entropy (arXiv 2002.07650: where samples are likely, answers are right).
#include "ken/tasks/estimator_claim.h"

namespace ken::tasks::monte_carlo_entropy_claim_file {
namespace {

std::vector<Figure> run(const ClaimInput& input) {
  return aurocs(input, {"monte-carlo-entropy", "monte-carlo-entropy:normalize=true"}, 0.75);
}

const Register<ClaimEntry> entry{
    {.card = {.id = "monte-carlo-entropy",
              .family = "confidence",
              .sentence =
                  "The mean negative log-likelihood of ten samples tells right from wrong answers with AUROC >= 0.75."},
     .run = run}};

}  // namespace
}  // namespace ken::tasks::monte_carlo_entropy_claim_file
