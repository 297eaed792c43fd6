// Shifting attention to relevance (Duan et al., arXiv 2307.01379). Of K samples s with tokens z_i:
//   token:     E_T(s) = sum_i -log p(z_i) R~_i, R_i = 1 - g(x s, x s without z_i), R~ = R / sum R; mean over samples
//   sentence:  S_k = -log(p_k + 1/t sum_{j != k} g(s_k, s_j) p_j), p_k = exp(-E_k), E_k = -sum_i log p(z_i); mean over
//   k both:      the sentence form with E_k := E_T(s_k)
// g of token deletions is the cosine of mean states (the paper's cross-encoder is not needed); tokens are deleted by
// their place. g of samples is the judge's. Sums of probabilities are taken in logarithms.
#include <algorithm>
#include <numeric>

#include "ken/evidence/meaning.h"

namespace ken::evidence::sar_file {
namespace {

double token_energy(const generate::Generated& s, const std::vector<double>& relevance) {
  const double all = std::accumulate(relevance.begin(), relevance.end(), 0.0);
  double energy = 0;
  for (size_t i = 0; i < relevance.size(); ++i)  // tokens without any relevance weigh alike
    energy -= s.logprobs[i] * (all > 0 ? relevance[i] / all : 1 / double(relevance.size()));
  return energy;
}

// Mean over k of -log(exp(-E_k) + sum_{j != k} g_kj exp(-E_j) / t).
double sentence_energy(const std::vector<double>& energy, const std::vector<std::vector<double>>& g, double t) {
  const double least = *std::min_element(energy.begin(), energy.end());
  double sum = 0;
  for (size_t k = 0; k < energy.size(); ++k) {
    double mass = std::exp(least - energy[k]);
    for (size_t j = 0; j < energy.size(); ++j)
      if (j != k) mass += g[k][j] / t * std::exp(least - energy[j]);
    sum += least - std::log(mass);
  }
  return sum / double(energy.size());
}

double score(const View& view, const Json& params) {
  const std::string kind = params.at("kind");
  const auto samples = view.samples();
  std::vector<double> energy;
  for (size_t k = 0; k < samples.size(); ++k)
    energy.push_back(kind == "sentence" ? -samples[k].logprob() : token_energy(samples[k], view.relevance(k)));
  if (kind == "token") return std::accumulate(energy.begin(), energy.end(), 0.0) / double(energy.size());
  return sentence_energy(energy, view.similarity(params.at("judge")), params.at("t"));
}

const Register<EstimatorEntry> entry{
    {.card = {.id = "sar",
              .family = "confidence",
              .title = "SAR",
              .paper = "arXiv 2307.01379",
              .sentence = "Negative log-likelihood of sampled answers, weighted to the tokens that carry the meaning, "
                          "with likelihood shared among answers that are alike.",
              .params = {samples_param(),
                         temperature_param(),
                         {"kind", "both", "which shift is made", -1e300, 1e300, {"token", "sentence", "both"}},
                         {"t", 0.001, "how much likeness shares: small is much", 1e-9, 1e9},
                         judge_param("jaccard")},
              .example = "ken ask --confidence sar:kind=token \"where was Ada Lovelace born ?\"",
              .direction = "lower is surer"},
     .needs =
         [](const Json& p) {
           Needs needs = sampled(p);
           needs.relevance = p.at("kind") != "sentence";
           return needs;
         },
     .score = score}};

}  // namespace
}  // namespace ken::evidence::sar_file
