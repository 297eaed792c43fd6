#include "ken/evidence/shots.h"

#include "ken/base/select.h"

namespace ken::evidence {

data::PromptStyle with_examples(data::PromptStyle style, const data::FactSet& facts, uint64_t seed, size_t count) {
  if (!style.examples.empty()) return style;
  for (const size_t i : draw(facts.facts.size(), count, seed ^ 0x5407)) {
    const data::Fact& fact = facts.facts[i];
    if (!fact.answers.empty())
      style.examples.push_back(
          {fact.id, fact.subject, fact.group, fact.question, fact.beginning, fact.answers.front()});
  }
  return style;
}

data::PromptStyle one_shot(data::PromptStyle style, size_t number) {
  if (!style.examples.empty())
    std::rotate(style.examples.begin(), style.examples.begin() + long(number % style.examples.size()),
                style.examples.end());
  style.shots = 1;
  return style;
}

}  // namespace ken::evidence
