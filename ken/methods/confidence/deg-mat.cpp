// Degree matrix (lm-polygraph's DegMat; Lin et al., arXiv 2305.19187): with likenesses W [K, K] of K sampled answers
// and D = diag(W 1), u = trace(K I - D) / K^2, the mean unlikeness of two samples.
#include "ken/evidence/meaning.h"

namespace ken::evidence::deg_mat_file {
namespace {

double score(const View& view, const Json& params) {
  const auto w = view.similarity(params.at("judge"));
  double degrees = 0;
  for (const auto& row : w)
    for (const double value : row) degrees += value;
  const double k = double(w.size());
  return (k * k - degrees) / (k * k);
}

const Register<EstimatorEntry> entry{
    {.card = {.id = "deg-mat",
              .family = "confidence",
              .title = "Degree matrix",
              .paper = "arXiv 2305.19187",
              .sentence = "The mean unlikeness of two sampled answers.",
              .params = {samples_param(), temperature_param(), judge_param("jaccard")},
              .example = "ken ask --confidence deg-mat \"where was Ada Lovelace born ?\"",
              .direction = "lower is surer"},
     .needs = [](const Json& p) { return sampled(p); },
     .score = score}};

}  // namespace
}  // namespace ken::evidence::deg_mat_file
