// Monte Carlo sequence entropy (lm-polygraph's MonteCarloSequenceEntropy and its normalised form; Malinin and Gales,
// arXiv 2002.07650): -1/K sum_k log p(s_k | x), of whole answers or a token, in nats.
#include "ken/evidence/meaning.h"

namespace ken::evidence::monte_carlo_entropy_file {
namespace {

double score(const View& view, const Json& params) {
  const bool per_token = params.at("normalize");
  double sum = 0;
  for (const auto& sample : view.samples())
    sum -= per_token ? sample.logprob() / double(std::max<int64_t>(1, sample.answer_tokens)) : sample.logprob();
  return sum / double(view.samples().size());
}

const Register<EstimatorEntry> entry{
    {.card = {.id = "monte-carlo-entropy",
              .family = "confidence",
              .title = "Monte Carlo sequence entropy",
              .paper = "arXiv 2002.07650",
              .sentence =
                  "The mean negative log-likelihood of sampled answers: an estimate of the entropy over strings, "
                  "in nats.",
              .params = {samples_param(), temperature_param(), {"normalize", false, "divide by each answer's tokens"}},
              .example = "ken ask --confidence monte-carlo-entropy \"where was Ada Lovelace born ?\"",
              .direction = "lower is surer"},
     .needs = [](const Json& p) { return sampled(p); },
     .score = score}};

}  // namespace
}  // namespace ken::evidence::monte_carlo_entropy_file
