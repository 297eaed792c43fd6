// Prompt patterns: reading them from a model's metadata, filling them in, with examples before them or as a chat.
#include "ken/data/prompts.h"

#include <utility>

#include "ken/base/error.h"
#include "ken/text/decode_stream.h"

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

// Whether an example would give the asked item away.
bool gives_away(const Example& example, const Asked& asked) {
  const auto same = [](std::string_view a, std::string_view b) { return !a.empty() && a == b; };
  return same(example.id, asked.id) || same(example.subject, asked.subject) || same(example.group, asked.group) ||
         same(example.question, asked.question) || same(example.beginning, asked.beginning);
}

std::vector<const Example*> examples_for(const PromptStyle& style, const Asked& asked) {
  std::vector<const Example*> chosen;
  for (const Example& example : style.examples)
    if (chosen.size() < style.shots && !gives_away(example, asked)) chosen.push_back(&example);
  return chosen;
}

std::string without_context(const PromptStyle& style, std::string_view question, std::string_view beginning) {
  if (!beginning.empty()) return fill(style.beginning, {{"{beginning}", beginning}});
  return fill(style.question, {{{"{question}", question}, {"{context}", ""}, {"{instruction}", ""}}});
}

// `body` as the last user message of a chat, or behind the examples.
std::string write_prompt(const PromptStyle& style, const std::string& body, const std::vector<const Example*>& shown) {
  std::string text;
  std::vector<Message> messages;
  if (style.chat && !style.system.empty()) messages.push_back({"system", style.system});
  for (const Example* example : shown) {
    const std::string question = without_context(style, example->question, example->beginning);
    messages.push_back({"user", question});
    messages.push_back({"assistant", example->answer});
    text += question + " " + example->answer + "\n\n";
  }
  messages.push_back({"user", text::valid_utf8(body)});  // an answer that is asked about may end inside of a character
  return style.chat ? style.chat->render(messages) : text + body;
}

}  // namespace

std::string PromptStyle::label() const {
  const std::string with = shots == 0 ? "" : shots == 1 ? "with 1 example" : fmt::format("with {} examples", shots);
  if (chat) return "asked through the model's chat template" + (shots == 0 ? "" : ", " + with);
  if (shots > 0) return "asked " + with;
  return name == "plain" ? "asked without examples" : fmt::format("asked in its own form ({})", name);
}

bool has_prompt_style(const io::Metadata& metadata) { return metadata.has(question_key) || metadata.has(context_key); }

PromptStyle prompt_style(const io::Metadata& metadata) {
  PromptStyle style;
  if (!has_prompt_style(metadata)) return style;
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

PromptStyle chat_style(std::shared_ptr<const Chat> chat, const std::string& system) {
  PromptStyle style;
  style.name = "chat";
  style.question = "{question}";
  style.context = "{context}\n\n{instruction} {question}";
  style.beginning = "Complete the sentence with the missing words alone: {beginning}";
  style.claim = "{statement}\nIs this true or false? Answer with one word, true or false.";
  style.yes = "True";
  style.no = "False";
  style.max_tokens = 32;
  style.system = system;
  style.stop.insert(style.stop.end(), chat->stops().begin(), chat->stops().end());
  style.chat = std::move(chat);
  return style;
}

std::string judge(const PromptStyle& style, std::string_view statement) {
  return write_prompt(style, fill(style.claim, {{"{statement}", statement}}), {});
}

std::string pose(const PromptStyle& style, std::string_view text) { return write_prompt(style, std::string(text), {}); }

std::string ask(const PromptStyle& style, const Asked& asked) {
  return write_prompt(style, without_context(style, asked.question, asked.beginning), examples_for(style, asked));
}

std::string ask(const PromptStyle& style, std::string_view question) { return ask(style, Asked{question}); }

std::string ask_with_context(const PromptStyle& style, std::string_view context, std::string_view instruction,
                             const Asked& asked) {
  // A sentence to complete takes the place of the question with its marks.
  const std::string pattern = asked.beginning.empty() ? style.context : "{context}\n\n{instruction} {question}";
  const std::string question =
      asked.beginning.empty() ? std::string(asked.question) : without_context(style, "", asked.beginning);
  const std::string body =
      fill(pattern, {{{"{question}", question}, {"{context}", context}, {"{instruction}", instruction}}});
  return write_prompt(style, body, examples_for(style, asked));
}

std::string ask_with_context(const PromptStyle& style, std::string_view context, std::string_view instruction,
                             std::string_view question) {
  return ask_with_context(style, context, instruction, Asked{question});
}

}  // namespace ken::data
