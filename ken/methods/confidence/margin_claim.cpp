// The claim of margin (where a second token is close, answers are wrong).
#include "ken/tasks/estimator_claim.h"

namespace ken::tasks::margin_claim_file {
namespace {

std::vector<Figure> run(const ClaimInput& input) {
  return aurocs(input, {"margin", "margin:over=min", "margin:over=mean"}, 0.75);
}

const Register<ClaimEntry> entry{
    {.card = {.id = "margin",
              .family = "confidence",
              .sentence = "The first token's margin tells right from wrong answers with AUROC >= 0.75."},
     .run = run}};

}  // namespace
}  // namespace ken::tasks::margin_claim_file
