// What whole answers, streams and measured answers have in common: the frame of a reply, a choice, what ken says.
#pragma once
#include "ken/server/answering.h"
#include "ken/server/openai.h"

namespace ken::server {

// The frame of a reply or of a chunk.
struct Frame {
  std::string id, object, model;
  std::time_t created = std::time(nullptr);
  Json with(Json choices) const;
};
Frame frame_of(const Exchange& exchange, const Setup& setup, bool chunks);

// What the exchange captures, filled while its answer is computed; null: nothing.
std::shared_ptr<Captured> add_capture(Exchange& exchange, const Engine& engine, const Setup& setup);

const text::Tokenizer& tokenizer_of(const Engine& engine);
Json logprobs_of(const Engine& engine, const Exchange& exchange, const generate::Generated& answer, Span span,
                 const Echo* echo, size_t offset);
Json choice_of(const Engine& engine, const Exchange& exchange, size_t index, const std::string& text,
               const generate::Generated& answer, const Echo* echo, const std::string& echoed);
// What ken says of the whole call: its seed, what was steered.
Json knowledge_of_call(const Exchange& exchange, const Engine& engine);
// Without a chat template an answer begins with the blank that its prompt's form leaves to it; it is no part of a
// message.
std::string_view message_text(const Exchange& exchange, const Setup& setup, std::string_view text);
Reply json_reply(const Json& json);

}  // namespace ken::server
