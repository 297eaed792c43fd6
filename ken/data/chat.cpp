// Rendering a conversation with a model's template, and finding out from the template how an answer ends.
#include "ken/data/chat.h"

#include <cstdlib>

#include "ken/base/error.h"
#include "ken/base/select.h"
#include "ken/data/trim.h"

namespace ken::data {
namespace {

constexpr const char* template_key = "tokenizer.chat_template";

std::string source_of(const io::Metadata& metadata, std::string given) {
  if (!given.empty()) return given;
  if (!Chat::has_template(metadata))
    fail_usage("chat",
               "{} has no chat template: it is a base model, or its file was written without one; ask with --prompt "
               "few-shot or plain, or give a template with --template FILE",
               metadata.name.empty() ? "the model" : metadata.name);
  return metadata.text(template_key);
}

// The system message at the beginning of the first user message.
std::vector<Message> without_system(const std::vector<Message>& messages) {
  std::vector<Message> result(messages.begin() + 1, messages.end());
  if (result.empty()) return messages;
  result.front().content = messages.front().content + "\n\n" + result.front().content;
  return result;
}

std::tm fixed_clock() {
  if (std::getenv("SOURCE_DATE_EPOCH")) return text::template_clock();
  std::tm time{};  // 1 January 2025, a Wednesday
  time.tm_year = 125;
  time.tm_mday = 1;
  time.tm_wday = 3;
  return time;
}

}  // namespace

bool Chat::has_template(const io::Metadata& metadata) { return metadata.has(template_key); }

Chat::Chat(const io::Metadata& metadata, std::shared_ptr<const text::Tokenizer> tokenizer, std::string source)
    : template_(source = source_of(metadata, std::move(source))),
      tokenizer_(tokenizer),
      tokens_(std::make_shared<text::ChatTokens>(std::move(tokenizer), metadata, source)) {
  find_ends(metadata);
}

std::string Chat::apply(const std::vector<Message>& messages, bool generation, const Rendering& how) const {
  text::TemplateInput input{.add_generation_prompt = generation,
                            .clock = how.today ? text::template_clock : fixed_clock};
  for (const Message& message : messages)
    input.messages.push_back({{"role", message.role}, {"content", tokens_->guard(message.content)}});
  if (tokenizer_->bos) input.bos_token = tokenizer_->pieces[size_t(*tokenizer_->bos)];
  if (tokenizer_->eos) input.eos_token = tokenizer_->pieces[size_t(*tokenizer_->eos)];
  input.variables["enable_thinking"] = how.thinking;
  return template_.render(input);
}

std::string Chat::render(const std::vector<Message>& messages, const Rendering& how) const {
  if (messages.size() < 2 || messages.front().role != "system") return apply(messages, true, how);
  try {
    std::string text = apply(messages, true, how);
    if (text.find(tokens_->guard(std::string(trimmed(messages.front().content)))) != std::string::npos) return text;
  } catch (const text::TemplateRaised&) {
    // It refuses the role; others leave the message out without a word.
  }
  return apply(without_system(messages), true, how);
}

// A conversation of marked words shows what stands behind an answer and before the next question.
void Chat::find_ends(const io::Metadata& metadata) {
  const auto add = [&](int32_t id) {
    if (!is_in(id, ends_)) ends_.push_back(id);
  };
  if (tokenizer_->eos) add(*tokenizer_->eos);
  for (const char* key : {"tokenizer.ggml.eot_token_id", "tokenizer.ggml.eom_token_id"}) {
    const int64_t id = metadata.integer(key, -1);
    if (id >= 0 && id < tokenizer_->vocab_size()) add(int32_t(id));
  }
  const std::string answer = "firstanswer", next = "nextquestion";
  const std::string text = apply({{"user", "firstquestion"}, {"assistant", answer}, {"user", next}}, false, {});
  const size_t begin = text.find(answer), end = text.find(next);
  if (begin == std::string::npos || end == std::string::npos || end < begin)
    fail("chat", "the template leaves out what was said: rendered '{}'; give another with --template FILE",
         text.substr(0, 200));
  const std::string behind = text.substr(begin + answer.size(), end - begin - answer.size());
  if (const auto special = tokens_->first_special(behind)) return add(*special);
  if (const std::string stop(trimmed(behind)); !stop.empty()) stops_.push_back(stop);
}

}  // namespace ken::data
