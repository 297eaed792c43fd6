// The claim of sar (arXiv 2307.01379: likelihood shifted to what carries the meaning).
#include "ken/tasks/estimator_claim.h"

namespace ken::tasks::sar_claim_file {
namespace {

std::vector<Figure> run(const ClaimInput& input) {
  return aurocs(input, {"sar", "sar:kind=token", "sar:kind=sentence", "monte-carlo-entropy"}, 0.75);
}

const Register<ClaimEntry> entry{{.card = {.id = "sar",
                                           .family = "confidence",
                                           .sentence = "SAR tells right from wrong answers with AUROC >= 0.75."},
                                  .run = run}};

}  // namespace
}  // namespace ken::tasks::sar_claim_file
