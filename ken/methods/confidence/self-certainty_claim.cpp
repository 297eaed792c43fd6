// The claim of self-certainty (arXiv 2502.18581: surer answers lie further from the uniform distribution).
#include "ken/tasks/estimator_claim.h"

namespace ken::tasks::self_certainty_claim_file {
namespace {

std::vector<Figure> run(const ClaimInput& input) { return aurocs(input, {"self-certainty"}, 0.75); }

const Register<ClaimEntry> entry{
    {.card = {.id = "self-certainty",
              .family = "confidence",
              .sentence = "Self-certainty tells right from wrong answers with AUROC >= 0.75."},
     .run = run}};

}  // namespace
}  // namespace ken::tasks::self_certainty_claim_file
