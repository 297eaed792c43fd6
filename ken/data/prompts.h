// How a model is asked: patterns from the model's own metadata (ken.prompt.*) or plain ones, worked examples before the
// question, or a chat through the model's template. One style writes every prompt of a run.
#pragma once
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ken/data/chat.h"

namespace ken::data {

// What is asked for, with what tells it from the worked examples. A beginning stands instead of a question where the
// answer completes a sentence.
struct Asked {
  std::string_view question = {}, beginning = {};
  std::string_view id = {}, subject = {}, group = {};
};

// A question with its answer, shown before the one that is asked.
struct Example {
  std::string id, subject, group, question, beginning, answer;
};

// Patterns hold {question}, {context}, {instruction}; {instruction} with its trailing blank vanishes when empty.
struct PromptStyle {
  std::string name = "plain";  // shown in reports
  std::string question = "Q: {question}\nA:";
  std::string context = "{context}\n\n{instruction} Q: {question}\nA:";
  std::vector<std::string> stop = {"\n"};  // an answer ends before any of these (or at EOS)
  // A claim and the two words that judge it, each with its leading blank.
  std::string claim = "{statement}\nIs this true or false?\nAnswer:", yes = " true", no = " false";
  std::string beginning = "{beginning}";  // a sentence that the answer completes
  int64_t max_tokens = 12;                // the longest short answer that is waited for
  // Few-shot: the first `shots` of these that are neither the asked item nor about its subject, in this order, so that
  // nearly all prompts begin alike; there are a few more than `shots`.
  size_t shots = 0;
  std::vector<Example> examples = {};
  std::shared_ptr<const Chat> chat = {};  // set: everything above becomes messages of a chat
  std::string system = {};                // of a chat; empty: none

  std::string form() const { return chat ? "chat" : shots > 0 ? "few-shot" : "plain"; }
  // "asked with 5 examples", "asked through the model's chat template", "asked in its own form (almanac)", ...
  std::string label() const;
  // Special tokens in a prompt of this style; null: it is plain text.
  std::shared_ptr<const text::ChatTokens> tokens() const { return chat ? chat->tokens() : nullptr; }
};
PromptStyle prompt_style(const io::Metadata& metadata);
void put_prompt_style(io::Metadata& metadata, const PromptStyle& style);
// Whether the metadata say how the model is asked (ken.prompt.*).
bool has_prompt_style(const io::Metadata& metadata);

// The style of a chat with `chat`: what is asked is a user message without "Q:" and "A:", an answer is its first line.
PromptStyle chat_style(std::shared_ptr<const Chat> chat, const std::string& system);
inline constexpr const char* short_answer =
    "Answer with the answer alone: a name, a place, a date or a few words, no sentence.";

// Prompts. In a chat they are guarded texts, which style.tokens() encodes.
std::string judge(const PromptStyle& style, std::string_view statement);
std::string pose(const PromptStyle& style, std::string_view text);  // the text as it is, or as a chat's user message
std::string ask(const PromptStyle& style, const Asked& asked);
std::string ask(const PromptStyle& style, std::string_view question);
std::string ask_with_context(const PromptStyle& style, std::string_view context, std::string_view instruction,
                             const Asked& asked);
std::string ask_with_context(const PromptStyle& style, std::string_view context, std::string_view instruction,
                             std::string_view question);

}  // namespace ken::data
