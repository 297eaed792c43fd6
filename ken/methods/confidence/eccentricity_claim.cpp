// The claim of eccentricity (arXiv 2305.19187: samples near their centre are oftener right).
#include "ken/tasks/estimator_claim.h"

namespace ken::tasks::eccentricity_claim_file {
namespace {

std::vector<Figure> run(const ClaimInput& input) {
  return aurocs(input, {"eccentricity", "eccentricity:judge=embedding"}, 0.75);
}

const Register<ClaimEntry> entry{
    {.card = {.id = "eccentricity",
              .family = "confidence",
              .sentence = "The eccentricity of ten samples tells right from wrong answers with AUROC >= 0.75."},
     .run = run}};

}  // namespace
}  // namespace ken::tasks::eccentricity_claim_file
