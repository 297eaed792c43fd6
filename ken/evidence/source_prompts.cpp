#include "ken/evidence/source_prompts.h"

#include <set>

#include "ken/base/error.h"
#include "ken/base/rng.h"
#include "ken/base/select.h"

namespace ken::evidence {
namespace {

constexpr uint64_t instruction_stream = 0x11ea5;

}  // namespace

std::vector<size_t> answered_from(const SourceChoice& choice, const std::string& source, size_t n) {
  auto which = choice.of(Part::train);
  std::erase_if(which, [&](size_t i) { return choice.items[i].side != source; });
  return draw(which, n, choice.input.seed);
}

std::vector<std::vector<int32_t>> told_prompts(const SourceChoice& choice, const std::string& source, size_t n,
                                               const std::vector<size_t>& others) {
  std::set<std::string> found;
  for (const auto& item : choice.input.facts.contexts)
    if (item.intent == source && !item.instruction.empty()) found.insert(item.instruction);
  if (found.empty())
    fail_usage("conflicts",
               "the facts hold no passage with the intent '{}' and an instruction; give such cases, or fit on answers",
               source);
  const std::vector<std::string> instructions(found.begin(), found.end());
  auto which = choice.of(Part::train);
  std::erase_if(which, [&](size_t i) { return is_in(i, others); });
  Rng rng(choice.input.seed, instruction_stream);
  std::vector<std::vector<int32_t>> prompts;
  for (const size_t i : draw(which, n, choice.input.seed)) {
    data::ContextCase item = choice.items[i].item;
    item.instruction = instructions[rng.below(instructions.size())];
    const auto prompt = with_passage(item, choice.input.style).prompt;
    prompts.push_back(generate::prompt_ids(choice.input.model, prompt.text, prompt.chat.get()));
  }
  return prompts;
}

}  // namespace ken::evidence
