// The JSON of answers, as OpenAI's API writes it.
#pragma once
#include "ken/evidence/text_scores.h"
#include "ken/generate/generate.h"

namespace ken::server {

// The text of one token; of bytes that are no UTF-8, "bytes:\xe2\x80", so that different tokens stay different.
std::string token_text(const text::Tokenizer& tokenizer, int32_t token);

// `cached`: of the prompt's tokens, those whose keys and values were there already.
Json usage(size_t prompt_tokens, size_t completion_tokens, size_t cached = 0);
// "stop" or "length"; null while an answer goes on.
Json finish_reason(const generate::Generated& answer);
// A message with OpenAI's fields, for a wrong request.
Json error_json(const std::string& message, const std::string& type, const Json& field, int code);

// Log probabilities of a completion: {tokens, token_logprobs, top_logprobs, text_offset}. Those of the prompt come
// first, where it is echoed; of the answer, tokens [from, to). `offset`: where the first token's text begins.
struct Span {
  size_t from = 0, to = 0;
};
struct Echo {
  const std::vector<int32_t>& tokens;
  const evidence::TextScores& scores;
};
Json completion_logprobs(const text::Tokenizer& tokenizer, const Echo* echo, const generate::Generated& answer,
                         Span span, int64_t top, size_t offset);
// Those of a chat's answer: {content: [{token, logprob, bytes, top_logprobs}]}.
Json chat_logprobs(const text::Tokenizer& tokenizer, const generate::Generated& answer, Span span, int64_t top);

// The answer's tokens with a logprob, the one that ended it included.
size_t scored_tokens(const generate::Generated& answer);

}  // namespace ken::server
