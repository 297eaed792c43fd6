// Semantic entropy (Kuhn et al., arXiv 2302.09664; Farquhar et al., Nature 2024): entropy over meanings, not strings.
//   sample K answers at temperature 1; cluster them by meaning;
//   discrete:    P_c = n_c / K
//   likelihood:  l_k = mean_t log p(y_kt), l'_k = l_k - log sum_j exp l_j, P_c = sum_{k in c} exp l'_k
//   SE = -sum_c P_c log P_c, in nats; its upper bound is log K.
// Meanings are compared by rules over short answers (evidence/equivalence.h), by the aliases of a data set, or by the
// model itself in place of the paper's entailment model.
#include <algorithm>
#include <map>

#include "ken/evidence/meaning.h"

namespace ken::evidence::semantic_entropy_file {
namespace {

// Weight of each sample; they sum to one.
std::vector<double> weights_of(std::span<const generate::Generated> samples, bool likelihood) {
  std::vector<double> weight(samples.size(), 1.0 / double(samples.size()));
  if (!likelihood) return weight;
  double sum = 0;
  for (size_t k = 0; k < samples.size(); ++k) {
    const double tokens = double(std::max<int64_t>(1, samples[k].answer_tokens));
    sum += weight[k] = std::exp(samples[k].logprob() / tokens);
  }
  for (double& w : weight) w /= sum;
  return weight;
}

double score(const View& view, const Json& params) {
  const std::vector<int> cluster = meanings(view, params);
  const auto weight = weights_of(view.samples(), params.at("kind") == "likelihood");
  std::map<int, double> mass;
  for (size_t k = 0; k < cluster.size(); ++k) mass[cluster[k]] += weight[k];
  double entropy = 0;
  for (const auto& [id, p] : mass)
    if (p > 0) entropy -= p * std::log(p);
  return std::max(0.0, entropy);
}

const Register<EstimatorEntry> entry{
    {.card = {.id = "semantic-entropy",
              .family = "confidence",
              .title = "Semantic entropy",
              .paper = "arXiv 2302.09664",
              .sentence = "Samples several answers, groups those that mean the same, and takes the entropy over the "
                          "groups, in nats.",
              .params = {samples_param(),
                         temperature_param(),
                         {"kind",
                          "discrete",
                          "group weights: shares of samples, or length-normalised likelihoods",
                          -1e300,
                          1e300,
                          {"discrete", "likelihood"}},
                         judge_param("rules")},
              .example = "ken ask --confidence semantic-entropy:samples=10 \"where was Ada Lovelace born ?\"",
              .direction = "lower is surer"},
     .needs = [](const Json& p) { return sampled(p); },
     .score = score}};

}  // namespace
}  // namespace ken::evidence::semantic_entropy_file
