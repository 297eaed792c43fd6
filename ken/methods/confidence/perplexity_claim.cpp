// The claim of perplexity (a baseline of arXiv 2311.07383: answers of low perplexity are oftener right).
#include "ken/tasks/estimator_claim.h"

namespace ken::tasks::perplexity_claim_file {
namespace {

std::vector<Figure> run(const ClaimInput& input) { return aurocs(input, {"perplexity"}, 0.75); }

const Register<ClaimEntry> entry{
    {.card = {.id = "perplexity",
              .family = "confidence",
              .sentence = "The perplexity of the greedy answer tells right from wrong answers with AUROC >= 0.75."},
     .run = run}};

}  // namespace
}  // namespace ken::tasks::perplexity_claim_file
