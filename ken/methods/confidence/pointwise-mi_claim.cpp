// The claim of pointwise-mi (arXiv 2210.13210: what the question makes likelier is oftener right).
#include "ken/tasks/estimator_claim.h"

namespace ken::tasks::pointwise_mi_claim_file {
namespace {

std::vector<Figure> run(const ClaimInput& input) {
  return aurocs(input, {"pointwise-mi", "pointwise-mi:kind=conditional"}, 0.6);
}

const Register<ClaimEntry> entry{
    {.card =
         {.id = "pointwise-mi",
          .family = "confidence",
          .sentence =
              "Pointwise mutual information of question and answer tells right from wrong answers with AUROC >= 0.6."},
     .run = run}};

}  // namespace
}  // namespace ken::tasks::pointwise_mi_claim_file
