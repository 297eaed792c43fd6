// The claim of span-snr (arXiv 2410.02719, on short answers, which are shorter than a window: the mean token
// probability).
#include "ken/tasks/estimator_claim.h"

namespace ken::tasks::span_snr_claim_file {
namespace {

std::vector<Figure> run(const ClaimInput& input) { return aurocs(input, {"span-snr"}, 0.75); }

const Register<ClaimEntry> entry{
    {.card = {.id = "span-snr",
              .family = "confidence",
              .sentence = "The settled mean of token probabilities tells right from wrong answers with AUROC >= 0.75."},
     .run = run}};

}  // namespace
}  // namespace ken::tasks::span_snr_claim_file
