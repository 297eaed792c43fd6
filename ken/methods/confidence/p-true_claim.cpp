// The claim of p-true (arXiv 2207.05221: a model's own verdict on its answer).
#include "ken/tasks/estimator_claim.h"

namespace ken::tasks::p_true_claim_file {
namespace {

std::vector<Figure> run(const ClaimInput& input) {
  return aurocs(input, {"p-true", "p-true:form=letters", "p-true:form=letters,shown=true"}, 0.6);
}

const Register<ClaimEntry> entry{{.card = {.id = "p-true",
                                           .family = "confidence",
                                           .sentence = "P(True) tells right from wrong answers with AUROC >= 0.6."},
                                  .run = run}};

}  // namespace
}  // namespace ken::tasks::p_true_claim_file
