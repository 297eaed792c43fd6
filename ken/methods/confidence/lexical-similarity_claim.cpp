// The claim of lexical-similarity (a baseline of arXiv 2311.07383: samples in the same words are oftener right).
#include "ken/tasks/estimator_claim.h"

namespace ken::tasks::lexical_similarity_claim_file {
namespace {

std::vector<Figure> run(const ClaimInput& input) { return aurocs(input, {"lexical-similarity"}, 0.75); }

const Register<ClaimEntry> entry{
    {.card = {.id = "lexical-similarity",
              .family = "confidence",
              .sentence = "The mean ROUGE-L of ten samples tells right from wrong answers with AUROC >= 0.75."},
     .run = run}};

}  // namespace
}  // namespace ken::tasks::lexical_similarity_claim_file
