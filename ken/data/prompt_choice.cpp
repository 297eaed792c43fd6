// Choosing a style from what the model's file states, and drawing its examples.
#include "ken/data/prompt_choice.h"

#include <numeric>
#include <set>

#include "ken/base/error.h"
#include "ken/base/rng.h"
#include "ken/base/select.h"

namespace ken::data {
namespace {

constexpr size_t usual_shots = 5;
constexpr size_t spare = 2;  // an asked item gives way to at most two: one of its subject, one of its group
constexpr uint64_t draw_stream = 0x5075;

void check_prompt_choice(const PromptChoice& choice) {
  const std::vector<std::string> known = {"auto", "plain", "few-shot", "chat"};
  if (!is_in(choice.prompt, known)) fail_usage("prompt", "{}", unknown_name("prompt", choice.prompt, known));
  if (choice.prompt == "plain" && choice.shots.value_or(0) > 0)
    fail_usage("prompt", "plain prompts show no examples; leave --shots out or write --prompt few-shot");
  if (choice.prompt == "few-shot" && choice.shots == size_t{0})
    fail_usage("prompt", "few-shot prompts need at least 1 example; write --prompt plain for none");
}

// Of different subjects and groups, so that no two give way to the same item.
std::vector<Example> draw_examples(const FactSet& facts, size_t count, uint64_t seed) {
  std::vector<size_t> order(facts.facts.size());
  std::iota(order.begin(), order.end(), size_t{0});
  Rng(seed, draw_stream).shuffle(order);
  std::set<std::string> subjects, groups;
  std::vector<Example> examples;
  for (const size_t i : order) {
    if (examples.size() == count) break;
    const Fact& fact = facts.facts[i];
    const bool fresh =
        groups.insert(fact.group).second && (fact.subject.empty() || subjects.insert(fact.subject).second);
    if (fresh && !fact.answers.empty())
      examples.push_back({fact.id, fact.subject, fact.group, fact.question, fact.beginning, fact.answers.front()});
  }
  return examples;
}

void add_examples(PromptStyle& style, const PromptChoice& choice, const FactSet* facts, size_t shots) {
  if (shots == 0) return;
  if (!facts)
    fail_usage("prompt", "worked examples are drawn from facts; give them with --facts FILE, or --prompt plain");
  style.examples = draw_examples(*facts, shots + spare, choice.seed);
  // The asked item may be one of them, so that one is always to spare.
  style.shots = std::min(shots, style.examples.empty() ? 0 : style.examples.size() - 1);
}

}  // namespace

PromptStyle choose_style(const io::Metadata& metadata, std::shared_ptr<const text::Tokenizer> tokenizer,
                         const PromptChoice& choice, const FactSet* facts) {
  check_prompt_choice(choice);
  const bool own = has_prompt_style(metadata), given = !choice.chat_template.empty();
  const bool automatic = choice.prompt == "auto";
  if (choice.prompt == "chat" || given || (automatic && !own && Chat::has_template(metadata))) {
    if (!automatic && choice.prompt != "chat")
      fail_usage("prompt", "a template makes a chat, and --prompt says {}; leave one of the two out", choice.prompt);
    PromptStyle style = chat_style(std::make_shared<const Chat>(metadata, std::move(tokenizer), choice.chat_template),
                                   choice.system.value_or(short_answer));
    add_examples(style, choice, facts, choice.shots.value_or(0));
    return style;
  }
  if (choice.system) fail_usage("prompt", "a system message needs a chat; give --prompt chat");
  PromptStyle style = prompt_style(metadata);
  const bool examples = choice.prompt == "few-shot" || (automatic && !own && facts);
  add_examples(style, choice, facts, choice.shots.value_or(examples ? usual_shots : 0));
  return style;
}

}  // namespace ken::data
