// Eccentricity (lm-polygraph's Eccentricity; Lin et al., arXiv 2305.19187): the eigenvectors of the samples' Laplacian
// whose eigenvalues are below a threshold place each sample in a plane of meanings; u is the norm of the samples'
// distances from their centre, || V - mean_k V ||_F.
#include "ken/evidence/graph.h"
#include "ken/evidence/meaning.h"

namespace ken::evidence::eccentricity_file {
namespace {

double score(const View& view, const Json& params) {
  const Spectrum s = laplacian_spectrum(view.similarity(params.at("judge")));
  const at::Tensor kept =
      s.vectors.index_select(1, (s.values < params.at("threshold").get<double>()).nonzero().view(-1));
  return (kept - kept.mean(0, true)).norm().item<double>();
}

const Register<EstimatorEntry> entry{
    {.card = {.id = "eccentricity",
              .family = "confidence",
              .title = "Eccentricity",
              .paper = "arXiv 2305.19187",
              .sentence = "How far sampled answers lie from their common centre in the graph of their likenesses.",
              .params = {samples_param(),
                         temperature_param(),
                         {"threshold", 0.9, "eigenvectors with smaller eigenvalues are kept", 0, 2},
                         judge_param("jaccard")},
              .example = "ken ask --confidence eccentricity \"where was Ada Lovelace born ?\"",
              .direction = "lower is surer"},
     .needs = [](const Json& p) { return sampled(p); },
     .score = score}};

}  // namespace
}  // namespace ken::evidence::eccentricity_file
