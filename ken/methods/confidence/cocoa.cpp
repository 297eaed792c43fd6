// CoCoA (Vashurin et al., arXiv 2502.04964): doubt of the model times disagreement of samples with its answer,
//   u = U(y) * 1/K sum_k (1 - g(y, s_k)), U(y) = -sum_t log p(y_t) or its mean, or the mean token entropy,
// of the greedy answer y and likenesses g.
#include <numeric>

#include "ken/evidence/meaning.h"

namespace ken::evidence::cocoa_file {
namespace {

double doubt(const generate::Generated& y, const std::string& kind) {
  const double n = double(std::max<int64_t>(1, y.answer_tokens));
  if (kind == "probability") return -y.logprob();
  if (kind == "perplexity") return -y.logprob() / n;
  return std::accumulate(y.entropies.begin(), y.entropies.begin() + long(y.answer_tokens), 0.0) / n;
}

double score(const View& view, const Json& params) {
  const auto w = view.similarity(params.at("judge"));  // the greedy answer first
  double apart = 0;
  for (size_t k = 1; k < w.size(); ++k) apart += 1 - w[0][k];
  return doubt(view.greedy(), params.at("doubt")) * apart / double(w.size() - 1);
}

const Register<EstimatorEntry> entry{
    {.card = {.id = "cocoa",
              .family = "confidence",
              .title = "CoCoA",
              .paper = "arXiv 2502.04964",
              .sentence = "The model's doubt of its greedy answer, times how much sampled answers differ from it.",
              .params = {samples_param(),
                         temperature_param(),
                         {"doubt",
                          "probability",
                          "of the greedy answer",
                          -1e300,
                          1e300,
                          {"probability", "perplexity", "entropy"}},
                         judge_param("rules")},
              .example = "ken ask --confidence cocoa \"where was Ada Lovelace born ?\"",
              .direction = "lower is surer"},
     .needs = [](const Json& p) { return sampled(p, true); },
     .score = score}};

}  // namespace
}  // namespace ken::evidence::cocoa_file
