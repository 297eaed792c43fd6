// The claim of restart (arXiv 2410.02725, of a model that was not tuned to say it).
#include "ken/tasks/estimator_claim.h"

namespace ken::tasks::restart_claim_file {
namespace {

std::vector<Figure> run(const ClaimInput& input) { return aurocs(input, {"restart"}, 0.6); }

const Register<ClaimEntry> entry{{.card = {.id = "restart",
                                           .family = "confidence",
                                           .sentence = "The untuned model's word that starting over would not do "
                                                       "better tells right from wrong answers with AUROC >= 0.6."},
                                  .run = run}};

}  // namespace
}  // namespace ken::tasks::restart_claim_file
