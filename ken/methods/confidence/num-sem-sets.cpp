// The number of meanings among K sampled answers (lm-polygraph's NumSemSets; Lin et al., arXiv 2305.19187).
#include <algorithm>

#include "ken/evidence/meaning.h"

namespace ken::evidence::num_sem_sets_file {
namespace {

double score(const View& view, const Json& params) {
  const std::vector<int> cluster = meanings(view, params);
  return 1.0 + double(*std::max_element(cluster.begin(), cluster.end()));
}

const Register<EstimatorEntry> entry{
    {.card = {.id = "num-sem-sets",
              .family = "confidence",
              .title = "Number of semantic sets",
              .paper = "arXiv 2305.19187",
              .sentence = "How many different meanings the sampled answers have.",
              .params = {samples_param(), temperature_param(), judge_param("rules")},
              .example = "ken ask --confidence num-sem-sets \"where was Ada Lovelace born ?\"",
              .direction = "lower is surer"},
     .needs = [](const Json& p) { return sampled(p); },
     .score = score}};

}  // namespace
}  // namespace ken::evidence::num_sem_sets_file
