// Self-consistency (Wang et al., arXiv 2203.11171): how many of K sampled answers mean the same as the greedy one,
// c = n_cluster(y) / K; or the share of the largest meaning, whatever the greedy answer says.
#include <algorithm>
#include <map>

#include "ken/evidence/meaning.h"

namespace ken::evidence::self_consistency_file {
namespace {

double score(const View& view, const Json& params) {
  const std::vector<int> cluster = meanings(view, params);  // the greedy answer first
  std::map<int, int> size;
  for (size_t k = 1; k < cluster.size(); ++k) ++size[cluster[k]];
  int most = 0;
  for (const auto& [id, n] : size) most = std::max(most, n);
  return double(params.at("of") == "greedy" ? size[cluster[0]] : most) / double(cluster.size() - 1);
}

const Register<EstimatorEntry> entry{
    {.card = {.id = "self-consistency",
              .family = "confidence",
              .title = "Self-consistency",
              .paper = "arXiv 2203.11171",
              .sentence = "The share of sampled answers that mean the same as the greedy one.",
              .params = {samples_param(),
                         temperature_param(),
                         {"of",
                          "greedy",
                          "whose share: of the greedy answer, or of the most frequent meaning",
                          -1e300,
                          1e300,
                          {"greedy", "majority"}},
                         judge_param("rules")},
              .example = "ken ask --confidence self-consistency \"where was Ada Lovelace born ?\"",
              .direction = "higher is surer"},
     .needs = [](const Json& p) { return sampled(p, true); },
     .score = score,
     .probability = true}};

}  // namespace
}  // namespace ken::evidence::self_consistency_file
