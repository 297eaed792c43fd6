// Span uncertainty by signal-to-noise ratio (UncertaintyRAG, arXiv 2410.02719). Of the probabilities p_t of the
// answer's tokens, windows of w tokens give SNR(j) = mean(p) / (var(p) + eps); t* is the first window whose ratio is at
// least sigma, before which the text has not settled; the score is the mean of p_t from t* on. Texts that never settle,
// and those shorter than a window, are taken whole. A heuristic; compare it with the mean probability.
#include "ken/evidence/evidence.h"
#include "ken/stats/snr.h"

namespace ken::evidence::span_snr_file {
namespace {

double score(const View& view, const Json& params) {
  const auto& answer = view.greedy();
  std::vector<double> p;
  for (size_t t = 0; t < size_t(answer.answer_tokens); ++t) p.push_back(std::exp(answer.logprobs[t]));
  return stats::settled_mean(p, params.at("window"), params.at("sigma"));
}

const Register<EstimatorEntry> entry{
    {.card = {.id = "span-snr",
              .family = "confidence",
              .title = "Span signal-to-noise",
              .paper = "arXiv 2410.02719",
              .sentence = "The mean token probability of the greedy answer after the point where it has settled.",
              .params = {{"window", 10, "tokens a window", 2, 10000},
                         {"sigma", 10.0, "ratio of mean to variance at which a window has settled", 0, 1e6}},
              .example = "ken ask --confidence span-snr \"where was Ada Lovelace born ?\"",
              .direction = "higher is surer"},
     .needs = [](const Json&) { return Needs{.greedy = true}; },
     .score = score}};

}  // namespace
}  // namespace ken::evidence::span_snr_file
