// A chat model's side of asking: its template, rendered with what somebody said kept apart from its special tokens, and
// what ends an answer.
#pragma once
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "ken/text/chat_template.h"
#include "ken/text/chat_tokens.h"

namespace ken::data {

struct Message {
  std::string role;  // "system", "user" or "assistant"
  std::string content;
};

// `thinking` is what templates know as enable_thinking. Prompts that are measured show a date that never changes, so
// that the same seed gives the same numbers; a conversation shows `today`. SOURCE_DATE_EPOCH sets either.
struct Rendering {
  bool thinking = false, today = false;
};

class Chat {
 public:
  // `source` is a chat template; empty: the model's own. Errors: the model has none and none is given, the template
  // does not parse, or it cannot render one question and its answer.
  Chat(const io::Metadata& metadata, std::shared_ptr<const text::Tokenizer> tokenizer, std::string source = {});
  static bool has_template(const io::Metadata& metadata);

  // The conversation with the head of the next answer, guarded (text::ChatTokens). A template that refuses a system
  // message, or leaves it out, gets it as the beginning of the first user message.
  std::string render(const std::vector<Message>& messages, const Rendering& how = {}) const;

  // Shared, because prompts outlive the style that made them.
  const std::shared_ptr<const text::ChatTokens>& tokens() const { return tokens_; }
  // An answer ends at any of these: EOS, the vocabulary's end of a turn, the token that the template puts behind an
  // answer. Where it puts text there, that text ends an answer too.
  const std::vector<int32_t>& ends() const { return ends_; }
  const std::vector<std::string>& stops() const { return stops_; }

 private:
  std::string apply(const std::vector<Message>& messages, bool generation, const Rendering& how) const;
  void find_ends(const io::Metadata& metadata);
  text::ChatTemplate template_;
  std::shared_ptr<const text::Tokenizer> tokenizer_;
  std::shared_ptr<const text::ChatTokens> tokens_;
  std::vector<int32_t> ends_;
  std::vector<std::string> stops_;
};

}  // namespace ken::data
