// Pointwise mutual information of prompt and answer (lm-polygraph's MeanPointwiseMutualInformation and its conditional
// form, after van der Poel et al., arXiv 2210.13210):
//   plain:        1/T sum_t [log p(y_t | y_<t, x) - log p(y_t | y_<t)]
//   conditional:  1/T sum_t [log p(y_t | y_<t, x) - lambda log p(y_t | y_<t) 1{H_t >= tau}]
// The second term is read without the prompt, its first token after BOS. What is likely whatever is asked is no answer.
#include "ken/evidence/evidence.h"

namespace ken::evidence::pointwise_mi_file {
namespace {

double score(const View& view, const Json& params) {
  const auto& answer = view.greedy();
  const auto& alone = view.reading(without_prompt);
  const bool conditional = params.at("kind") == "conditional";
  const double tau = params.at("tau"), lambda = conditional ? params.at("lambda").get<double>() : 1.0;
  double sum = 0;
  for (size_t t = 0; t < size_t(answer.answer_tokens); ++t) {
    sum += answer.logprobs[t];
    if (!conditional || answer.entropies[t] >= tau) sum -= lambda * alone.logprobs[t];
  }
  return answer.answer_tokens ? sum / double(answer.answer_tokens) : 0;
}

const Register<EstimatorEntry> entry{
    {.card = {.id = "pointwise-mi",
              .family = "confidence",
              .title = "Pointwise mutual information",
              .paper = "arXiv 2210.13210",
              .sentence = "How much likelier the prompt makes the greedy answer, a token, in nats.",
              .params = {{"kind",
                          "plain",
                          "subtract the answer's own likelihood everywhere, or where the model doubts",
                          -1e300,
                          1e300,
                          {"plain", "conditional"}},
                         {"tau", 0.0656, "least entropy of a doubtful token, nats (conditional)", 0, 100},
                         {"lambda", 3.599, "weight of what is subtracted (conditional)", 0, 100}},
              .example = "ken ask --confidence pointwise-mi \"where was Ada Lovelace born ?\"",
              .direction = "higher is surer"},
     .needs = [](const Json&) { return Needs{.greedy = true, .readings = {without_prompt}}; },
     .score = score}};

}  // namespace
}  // namespace ken::evidence::pointwise_mi_file
