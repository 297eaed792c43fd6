// The claim of verbalised (arXiv 2305.14975, of a model that was not taught to speak of probabilities).
#include "ken/tasks/estimator_claim.h"

namespace ken::tasks::verbalised_claim_file {
namespace {

std::vector<Figure> run(const ClaimInput& input) { return aurocs(input, {"verbalised"}, 0.6); }

const Register<ClaimEntry> entry{
    {.card = {.id = "verbalised",
              .family = "confidence",
              .sentence = "The stated probability tells right from wrong answers with AUROC >= 0.6."},
     .run = run}};

}  // namespace
}  // namespace ken::tasks::verbalised_claim_file
