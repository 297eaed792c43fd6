// The claim of cocoa (arXiv 2502.04964: doubt times disagreement is better than either).
#include "ken/tasks/estimator_claim.h"

namespace ken::tasks::cocoa_claim_file {
namespace {

std::vector<Figure> run(const ClaimInput& input) {
  return aurocs(input,
                {"cocoa", "cocoa:doubt=perplexity", "cocoa:doubt=entropy", "sequence-probability", "self-consistency"},
                0.75);
}

const Register<ClaimEntry> entry{
    {.card = {.id = "cocoa",
              .family = "confidence",
              .sentence = "Doubt times disagreement tells right from wrong answers with AUROC >= 0.75."},
     .run = run}};

}  // namespace
}  // namespace ken::tasks::cocoa_claim_file
