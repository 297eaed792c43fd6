// Prompt patterns: reading them from a model's metadata, filling them in.
#include "ken/data/prompts.h"

#include <utility>

#include "ken/base/error.h"

namespace ken::data {
namespace {

constexpr const char* name_key = "ken.prompt.name";
constexpr const char* question_key = "ken.prompt.question";
constexpr const char* context_key = "ken.prompt.context";
constexpr const char* stop_key = "ken.prompt.stop";

constexpr const char *claim_key = "ken.prompt.claim", *yes_key = "ken.prompt.claim_true",
                     *no_key = "ken.prompt.claim_false";

using Slots = std::vector<std::pair<std::string_view, std::string_view>>;

// One pass from left to right: braces inside the inserted texts stay as they are.
std::string fill(std::string_view pattern, const Slots& slots) {
  std::string result;
  while (!pattern.empty()) {
    bool filled = false;
    for (const auto& [slot, text] : slots) {
      if (!pattern.starts_with(slot)) continue;
      result += text;
      pattern.remove_prefix(slot.size());
      if (text.empty() && slot == "{instruction}" && pattern.starts_with(' ')) pattern.remove_prefix(1);
      filled = true;
      break;
    }
    if (filled) continue;
    result += pattern.front();
    pattern.remove_prefix(1);
  }
  return result;
}

void require(const std::string& pattern, const char* key, std::string_view slot) {
  if (pattern.find(slot) != std::string::npos) return;
  fail("prompt", "metadata {} holds no {}; found '{}'; write a pattern such as 'Q: {{question}} A:'", key, slot,
       pattern);
}

}  // namespace

PromptStyle prompt_style(const io::Metadata& metadata) {
  PromptStyle style;
  if (!metadata.has(question_key) && !metadata.has(context_key)) return style;
  style.name = metadata.text(name_key, "model");
  style.question = metadata.text(question_key, style.question);
  style.context = metadata.text(context_key, style.context);
  style.claim = metadata.text(claim_key, style.claim);
  style.yes = metadata.text(yes_key, style.yes);
  style.no = metadata.text(no_key, style.no);
  require(style.claim, claim_key, "{statement}");
  if (metadata.has(stop_key)) style.stop = metadata.texts(stop_key);
  require(style.question, question_key, "{question}");
  require(style.context, context_key, "{question}");
  require(style.context, context_key, "{context}");
  for (const auto& text : style.stop)
    if (text.empty())
      fail("prompt", "metadata {} holds an empty text, which would end every answer at once; remove it", stop_key);
  return style;
}

void put_prompt_style(io::Metadata& metadata, const PromptStyle& style) {
  metadata.values[name_key] = style.name;
  metadata.values[question_key] = style.question;
  metadata.values[context_key] = style.context;
  metadata.values[stop_key] = style.stop;
  metadata.values[claim_key] = style.claim;
  metadata.values[yes_key] = style.yes;
  metadata.values[no_key] = style.no;
}

std::string judge(const PromptStyle& style, std::string_view statement) {
  return fill(style.claim, {{"{statement}", statement}});
}

std::string ask(const PromptStyle& style, std::string_view question) {
  return fill(style.question, {{{"{question}", question}, {"{context}", ""}, {"{instruction}", ""}}});
}

std::string ask_with_context(const PromptStyle& style, std::string_view context, std::string_view instruction,
                             std::string_view question) {
  return fill(style.context, {{{"{question}", question}, {"{context}", context}, {"{instruction}", instruction}}});
}

}  // namespace ken::data
