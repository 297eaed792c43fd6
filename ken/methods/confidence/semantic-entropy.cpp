// Semantic entropy (Kuhn et al., arXiv 2302.09664; Farquhar et al., Nature 2024): entropy over meanings, not strings.
//   sample K answers at temperature 1; cluster them by meaning;
//   discrete:    P_c = n_c / K
//   likelihood:  l_k = mean_t log p(y_kt), l'_k = l_k - log sum_j exp l_j, P_c = sum_{k in c} exp l'_k
//   SE = -sum_c P_c log P_c, in nats; its upper bound is log K.
// Meanings are compared by the rules of evidence/equivalence.h, which replace the paper's entailment model for short
// answers.
#include "ken/evidence/equivalence.h"
#include "ken/evidence/evidence.h"

namespace ken::evidence {
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
  const auto samples = view.samples();
  std::vector<std::string> texts;
  for (const auto& sample : samples) texts.push_back(sample.text);
  const std::vector<int> cluster = cluster_answers(texts);
  const auto weight = weights_of(samples, params.at("kind").get<std::string>() == "likelihood");
  std::vector<double> p(samples.size(), 0.0);  // [clusters]
  for (size_t k = 0; k < samples.size(); ++k) p[size_t(cluster[k])] += weight[k];
  double entropy = 0;
  for (double pc : p)
    if (pc > 0) entropy -= pc * std::log(pc);
  return entropy;
}

const Register<EstimatorEntry> entry{
    {.card = {.id = "semantic-entropy",
              .family = "confidence",
              .title = "Semantic entropy",
              .paper = "arXiv 2302.09664",
              .sentence = "Samples several answers, groups those that mean the same, and takes the entropy over the "
                          "groups, in nats.",
              .params = {{"samples", 10, "how many answers are sampled", 2, 1000},
                         {"temperature", 1.0, "of the sampling", 1e-3, 10},
                         {"kind",
                          "discrete",
                          "group weights: shares of samples, or length-normalised likelihoods",
                          -1e300,
                          1e300,
                          {"discrete", "likelihood"}}},
              .example = "ken ask --confidence semantic-entropy:samples=10 \"where was Ada Lovelace born ?\"",
              .direction = "lower is surer"},
     .needs =
         [](const Json& p) {
           return Needs{.samples = p.at("samples").get<int64_t>(), .temperature = p.at("temperature").get<double>()};
         },
     .score = score}};

}  // namespace
}  // namespace ken::evidence
