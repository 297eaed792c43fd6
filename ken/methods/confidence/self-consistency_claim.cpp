// The claim of self-consistency (arXiv 2203.11171: answers that samples agree with are oftener right).
#include "ken/tasks/estimator_claim.h"

namespace ken::tasks::self_consistency_claim_file {
namespace {

std::vector<Figure> run(const ClaimInput& input) {
  return aurocs(input, {"self-consistency", "self-consistency:of=majority"}, 0.75);
}

const Register<ClaimEntry> entry{{.card = {.id = "self-consistency",
                                           .family = "confidence",
                                           .sentence = "The share of samples that agree with the greedy answer tells "
                                                       "right from wrong answers with AUROC >= 0.75."},
                                  .run = run}};

}  // namespace
}  // namespace ken::tasks::self_consistency_claim_file
