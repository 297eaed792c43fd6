// Context gain: what the passage does to the answer, token by token, against the same tokens without it.
//   entropy:  1/T sum_t [H(p(. | y_<t, q)) - H(p(. | y_<t, c, q))], CK-PLUG's confidence gain (arXiv 2503.15888)
//   pmi:      1/T sum_t [log p(y_t | y_<t, c, q) - log p(y_t | y_<t, q)], the pointwise mutual information of context
//             and answer
// Above 0 the passage makes the model surer of what it says; below 0 it argues against it.
#include "ken/evidence/evidence.h"

namespace ken::evidence::context_gain_file {
namespace {

double score(const View& view, const Json& params) {
  const auto& answer = view.greedy();
  const auto& alone = view.reading(without_context);
  const bool entropy = params.at("of") == "entropy";
  double sum = 0;
  for (size_t t = 0; t < size_t(answer.answer_tokens); ++t)
    sum += entropy ? alone.entropies[t] - answer.entropies[t] : answer.logprobs[t] - alone.logprobs[t];
  return answer.answer_tokens ? sum / double(answer.answer_tokens) : 0;
}

const Register<EstimatorEntry> entry{
    {.card = {.id = "context-gain",
              .family = "confidence",
              .title = "Context gain",
              .paper = "arXiv 2503.15888",
              .sentence = "How much surer the passage makes the model of its answer, a token, in nats.",
              .params = {{"of",
                          "pmi",
                          "the answer's likelihood, or the whole distribution's entropy",
                          -1e300,
                          1e300,
                          {"pmi", "entropy"}}},
              .example = "ken ask --confidence context-gain --context-text \"the birthplace of Ada Lovelace is Turin "
                         ".\" \"where was Ada Lovelace born ?\"",
              .direction = "higher is surer",
              .needs = {"context"}},
     .needs = [](const Json&) { return Needs{.greedy = true, .readings = {without_context}}; },
     .score = score}};

}  // namespace
}  // namespace ken::evidence::context_gain_file
