// Sum of the Laplacian's eigenvalues (lm-polygraph's EigValLaplacian; Lin et al., arXiv 2305.19187): a count of
// meanings that need not be told apart sharply. With likenesses W [K, K], D = diag(W 1) and L = I - D^-1/2 W D^-1/2,
//   u = sum_k max(0, 1 - lambda_k(L))
#include "ken/evidence/graph.h"
#include "ken/evidence/meaning.h"

namespace ken::evidence::eigval_laplacian_file {
namespace {

double score(const View& view, const Json& params) {
  const Spectrum s = laplacian_spectrum(view.similarity(params.at("judge")));
  return (1 - s.values).clamp_min(0).sum().item<double>();
}

const Register<EstimatorEntry> entry{
    {.card = {.id = "eigval-laplacian",
              .family = "confidence",
              .title = "Eigenvalues of the Laplacian",
              .paper = "arXiv 2305.19187",
              .sentence = "A soft count of the meanings among sampled answers, from the graph of their likenesses.",
              .params = {samples_param(), temperature_param(), judge_param("jaccard")},
              .example = "ken ask --confidence eigval-laplacian \"where was Ada Lovelace born ?\"",
              .direction = "lower is surer"},
     .needs = [](const Json& p) { return sampled(p); },
     .score = score}};

}  // namespace
}  // namespace ken::evidence::eigval_laplacian_file
