// Token entropy: the entropy of the next-token distributions along the greedy answer (lm-polygraph's MeanTokenEntropy
// and MaximumTokenEntropy). H_t = -sum_v p_t(v) log p_t(v), in nats, over the answer's tokens.
#include "ken/evidence/evidence.h"

namespace ken::evidence::token_entropy_file {
namespace {

double score(const View& view, const Json& params) {
  const auto& answer = view.greedy();
  const size_t n = size_t(answer.answer_tokens);
  // An answer without a token ended at once: the entropy of that decision is the only one there is.
  if (n == 0) return answer.entropies.empty() ? 0.0 : answer.entropies[0];
  double sum = 0, most = 0;
  for (size_t t = 0; t < n; ++t) {
    sum += answer.entropies[t];
    most = std::max(most, answer.entropies[t]);
  }
  return params.at("over").get<std::string>() == "mean" ? sum / double(n) : most;
}

const Register<EstimatorEntry> entry{
    {.card = {.id = "token-entropy",
              .family = "confidence",
              .title = "Token entropy",
              .paper = "arXiv 2311.07383",
              .sentence =
                  "The mean or largest entropy of the next-token distributions along the greedy answer, in nats.",
              .params = {{"over", "mean", "how the tokens' entropies are joined", -1e300, 1e300, {"mean", "max"}}},
              .example = "ken ask --confidence token-entropy:over=max \"where was Ada Lovelace born ?\"",
              .direction = "lower is surer"},
     .needs = [](const Json&) { return Needs{.greedy = true}; },
     .score = score}};

}  // namespace
}  // namespace ken::evidence::token_entropy_file
