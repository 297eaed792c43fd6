// The claim of ualign (arXiv 2412.11803: both estimates say what the model knows). The label form is the paper's own
// and stands for comparison only.
#include "ken/tasks/estimator_claim.h"

namespace ken::tasks::ualign_claim_file {
namespace {

std::vector<Figure> run(const ClaimInput& input) {
  return aurocs(input, {"ualign", "ualign:of=entropy", "ualign:of=confidence", "self-consistency"}, 0.75);
}

const Register<ClaimEntry> entry{
    {.card = {.id = "ualign",
              .family = "confidence",
              .sentence =
                  "The agreement of answers behind ten different worked examples tells right from wrong answers "
                  "with AUROC >= 0.75."},
     .run = run}};

}  // namespace
}  // namespace ken::tasks::ualign_claim_file
