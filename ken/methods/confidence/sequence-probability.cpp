// Sequence probability: how likely the model finds its own greedy answer (lm-polygraph's MaximumSequenceProbability,
// there negated). P = exp(sum_t log p(y_t | y_<t, x)) over the answer's tokens, in [0, 1]; optionally its geometric
// mean.
#include "ken/evidence/evidence.h"

namespace ken::evidence::sequence_probability_file {
namespace {

double score(const View& view, const Json& params) {
  const auto& answer = view.greedy();
  const double sum = answer.logprob();
  const bool mean = params.at("normalize").get<bool>() && answer.answer_tokens > 0;
  return std::exp(mean ? sum / double(answer.answer_tokens) : sum);
}

const Register<EstimatorEntry> entry{
    {.card = {.id = "sequence-probability",
              .family = "confidence",
              .title = "Sequence probability",
              .paper = "arXiv 2311.07383",
              .sentence = "The probability that the model gives to its own greedy answer.",
              .params = {{"normalize", false, "take the geometric mean over the answer's tokens"}},
              .example = "ken ask --confidence sequence-probability \"where was Ada Lovelace born ?\"",
              .direction = "higher is surer"},
     .needs = [](const Json&) { return Needs{.greedy = true}; },
     .score = score,
     .probability = true}};

}  // namespace
}  // namespace ken::evidence::sequence_probability_file
