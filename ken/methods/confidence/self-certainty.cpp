// Self-certainty (Kang et al., "Scalable Best-of-N Selection for Large Language Models via Self-Certainty", arXiv
// 2502.18581): how far each next-token distribution is from the uniform one,
//   1/T sum_t KL(U || p_t) = -1/(T V) sum_t sum_v log(V p_t(v)), in nats,
// over the tokens of the greedy answer. It weighs the tail that entropy hardly sees.
#include <numeric>

#include "ken/evidence/evidence.h"

namespace ken::evidence::self_certainty_file {
namespace {

double score(const View& view, const Json&) {
  const auto& answer = view.greedy();
  const auto n = std::min<size_t>(answer.certainties.size(), size_t(std::max<int64_t>(1, answer.answer_tokens)));
  if (n == 0) fail("self-certainty", "the saved evidence holds no certainties; gather it again");
  return std::accumulate(answer.certainties.begin(), answer.certainties.begin() + long(n), 0.0) / double(n);
}

const Register<EstimatorEntry> entry{
    {.card = {.id = "self-certainty",
              .family = "confidence",
              .title = "Self-certainty",
              .paper = "arXiv 2502.18581",
              .sentence = "The mean divergence of the uniform distribution from the answer's next-token distributions, "
                          "in nats.",
              .example = "ken ask --confidence self-certainty \"where was Ada Lovelace born ?\"",
              .direction = "higher is surer"},
     .needs = [](const Json&) { return Needs{.greedy = true}; },
     .score = score}};

}  // namespace
}  // namespace ken::evidence::self_certainty_file
