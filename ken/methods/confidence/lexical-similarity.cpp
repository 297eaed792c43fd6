// Lexical similarity (lm-polygraph's LexicalSimilarity; Fomicheva et al. 2020): the mean ROUGE-L F1 of all pairs of
// sampled answers.
#include "ken/evidence/meaning.h"

namespace ken::evidence::lexical_similarity_file {
namespace {

double score(const View& view, const Json&) {
  const auto samples = view.samples();
  double sum = 0;
  for (size_t i = 0; i < samples.size(); ++i)
    for (size_t j = 0; j < i; ++j) sum += rouge_l(samples[i].text, samples[j].text);
  return 2 * sum / double(samples.size() * (samples.size() - 1));
}

const Register<EstimatorEntry> entry{
    {.card = {.id = "lexical-similarity",
              .family = "confidence",
              .title = "Lexical similarity",
              .paper = "arXiv 2311.07383",
              .sentence = "The mean overlap of words, as ROUGE-L, between sampled answers.",
              .params = {samples_param(), temperature_param()},
              .example = "ken ask --confidence lexical-similarity \"where was Ada Lovelace born ?\"",
              .direction = "higher is surer"},
     .needs = [](const Json& p) { return sampled(p); },
     .score = score}};

}  // namespace
}  // namespace ken::evidence::lexical_similarity_file
