// Perplexity (lm-polygraph's Perplexity, there its logarithm): PPL = exp(-1/T sum_t log p(y_t | y_<t, x)) over the
// tokens of the greedy answer; 1 is certainty. Its inverse is the geometric mean probability.
#include "ken/evidence/evidence.h"

namespace ken::evidence::perplexity_file {
namespace {

double score(const View& view, const Json&) {
  const auto& answer = view.greedy();
  return answer.answer_tokens == 0 ? 1.0 : std::exp(-answer.logprob() / double(answer.answer_tokens));
}

const Register<EstimatorEntry> entry{{.card = {.id = "perplexity",
                                               .family = "confidence",
                                               .title = "Perplexity",
                                               .paper = "arXiv 2311.07383",
                                               .sentence = "The perplexity of the greedy answer under the model.",
                                               .example = "ken ask --confidence perplexity \"where was Ada Lovelace "
                                                          "born ?\"",
                                               .direction = "lower is surer"},
                                      .needs = [](const Json&) { return Needs{.greedy = true}; },
                                      .score = score}};

}  // namespace
}  // namespace ken::evidence::perplexity_file
