// The claim of deg-mat (arXiv 2305.19187: samples that are alike are oftener right).
#include "ken/tasks/estimator_claim.h"

namespace ken::tasks::deg_mat_claim_file {
namespace {

std::vector<Figure> run(const ClaimInput& input) { return aurocs(input, {"deg-mat", "deg-mat:judge=embedding"}, 0.75); }

const Register<ClaimEntry> entry{
    {.card = {.id = "deg-mat",
              .family = "confidence",
              .sentence = "The mean unlikeness of ten samples tells right from wrong answers with AUROC >= 0.75."},
     .run = run}};

}  // namespace
}  // namespace ken::tasks::deg_mat_claim_file
