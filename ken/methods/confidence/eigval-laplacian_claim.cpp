// The claim of eigval-laplacian (arXiv 2305.19187: a softer count of meanings).
#include "ken/tasks/estimator_claim.h"

namespace ken::tasks::eigval_laplacian_claim_file {
namespace {

std::vector<Figure> run(const ClaimInput& input) {
  return aurocs(input, {"eigval-laplacian", "eigval-laplacian:judge=embedding"}, 0.75);
}

const Register<ClaimEntry> entry{
    {.card = {.id = "eigval-laplacian",
              .family = "confidence",
              .sentence = "The sum of the Laplacian's eigenvalues tells right from wrong answers with AUROC >= 0.75."},
     .run = run}};

}  // namespace
}  // namespace ken::tasks::eigval_laplacian_claim_file
