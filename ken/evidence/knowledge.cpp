#include "ken/evidence/knowledge.h"

namespace ken::evidence {

std::vector<int> knowledge_counts(const model::Model& model, const std::vector<generate::Request>& requests,
                                  const std::vector<std::vector<std::string>>& accepted, int samples,
                                  double temperature, uint64_t seed, nn::Compute compute) {
  std::vector<int> counts(requests.size(), 0);
  generate::GenerateOptions options;
  options.compute = compute;
  for (const bool sampled : {false, true}) {
    std::vector<generate::Request> asked = requests;
    for (size_t i = 0; i < asked.size(); ++i) {
      asked[i].samples = sampled ? samples : 1;
      asked[i].key = i;
      if (sampled) asked[i].sampling = {.temperature = temperature, .seed = seed};
    }
    if (sampled && samples == 0) break;
    const auto answers = generate::generate(model, asked, options);
    for (size_t i = 0; i < answers.size(); ++i)
      for (const auto& answer : answers[i]) counts[i] += data::contains_answer(answer.text, accepted[i]);
  }
  return counts;
}

}  // namespace ken::evidence
