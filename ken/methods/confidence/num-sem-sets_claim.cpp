// The claim of num-sem-sets (arXiv 2305.19187: fewer meanings among samples, oftener right).
#include "ken/tasks/estimator_claim.h"

namespace ken::tasks::num_sem_sets_claim_file {
namespace {

std::vector<Figure> run(const ClaimInput& input) { return aurocs(input, {"num-sem-sets"}, 0.7); }

const Register<ClaimEntry> entry{
    {.card = {.id = "num-sem-sets",
              .family = "confidence",
              .sentence = "The number of meanings among ten samples tells right from wrong answers with AUROC >= 0.7."},
     .run = run}};

}  // namespace
}  // namespace ken::tasks::num_sem_sets_claim_file
