#include "ken/server/openai.h"

#include "ken/text/decode_stream.h"

namespace ken::server {
namespace {

// The token that ended an answer has a logprob, but is none of its tokens.
int32_t token_at(const text::Tokenizer& tokenizer, const generate::Generated& answer, size_t i) {
  return i < answer.tokens.size() ? answer.tokens[i] : tokenizer.eos.value_or(0);
}

struct Scored {
  int32_t token;
  double logprob;  // NaN: the first of a text has none
  const std::vector<generate::Alternative>* alternatives;
};

// The likeliest `top` tokens, and the chosen one if it is none of them.
std::vector<generate::Alternative> shown(const Scored& scored, int64_t top) {
  std::vector<generate::Alternative> list;
  if (scored.alternatives)
    for (const auto& one : *scored.alternatives)
      if (int64_t(list.size()) < top) list.push_back(one);
  const bool there = std::any_of(list.begin(), list.end(), [&](const auto& a) { return a.token == scored.token; });
  if (!there) list.push_back({scored.token, scored.logprob});
  return list;
}

Json bytes_of(const text::Tokenizer& tokenizer, int32_t token) {
  Json bytes = Json::array();
  for (const char c : tokenizer.decode(std::vector<int32_t>{token})) bytes.push_back(int(uint8_t(c)));
  return bytes;
}

Scored scored_at(const text::Tokenizer& tokenizer, const generate::Generated& answer, size_t i) {
  return {token_at(tokenizer, answer, i), answer.logprobs[i],
          i < answer.alternatives.size() ? &answer.alternatives[i] : nullptr};
}

}  // namespace

std::string token_text(const text::Tokenizer& tokenizer, int32_t token) {
  const std::string bytes = tokenizer.decode(std::vector<int32_t>{token});
  if (text::valid_utf8(bytes) == bytes) return bytes;
  std::string text = "bytes:";
  for (const char c : bytes) text += fmt::format("\\x{:02x}", uint8_t(c));
  return text;
}

Json usage(size_t prompt_tokens, size_t completion_tokens, size_t cached) {
  return {{"prompt_tokens", prompt_tokens},
          {"completion_tokens", completion_tokens},
          {"total_tokens", prompt_tokens + completion_tokens},
          {"prompt_tokens_details", {{"cached_tokens", cached}}}};
}

Json finish_reason(const generate::Generated& answer) {
  if (answer.finish.empty()) return nullptr;
  return answer.finish == "length" ? "length" : "stop";
}

Json error_json(const std::string& message, const std::string& type, const Json& field, int code) {
  return {{"error", {{"message", message}, {"type", type}, {"param", field}, {"code", code}}}};
}

size_t scored_tokens(const generate::Generated& answer) { return answer.logprobs.size(); }

Json completion_logprobs(const text::Tokenizer& tokenizer, const Echo* echo, const generate::Generated& answer,
                         Span span, int64_t top, size_t offset) {
  std::vector<Scored> all;
  if (echo)
    for (size_t i = 0; i < echo->tokens.size(); ++i)
      all.push_back({echo->tokens[i], echo->scores.logprobs[i], &echo->scores.alternatives[i]});
  for (size_t i = span.from; i < span.to; ++i) all.push_back(scored_at(tokenizer, answer, i));
  Json tokens = Json::array(), logprobs = Json::array(), tops = Json::array(), offsets = Json::array();
  for (const Scored& scored : all) {
    const bool known = !std::isnan(scored.logprob);
    tokens.push_back(token_text(tokenizer, scored.token));
    logprobs.push_back(known ? Json(scored.logprob) : Json());
    Json likeliest = Json::object();
    if (known)
      for (const auto& one : shown(scored, top)) likeliest[token_text(tokenizer, one.token)] = one.logprob;
    tops.push_back(known ? likeliest : Json());
    offsets.push_back(offset);
    offset += tokenizer.decode(std::vector<int32_t>{scored.token}).size();
  }
  return {{"tokens", tokens}, {"token_logprobs", logprobs}, {"top_logprobs", tops}, {"text_offset", offsets}};
}

Json chat_logprobs(const text::Tokenizer& tokenizer, const generate::Generated& answer, Span span, int64_t top) {
  Json content = Json::array();
  const auto entry = [&](int32_t token, double logprob) {
    return Json{{"token", token_text(tokenizer, token)}, {"logprob", logprob}, {"bytes", bytes_of(tokenizer, token)}};
  };
  for (size_t i = span.from; i < span.to; ++i) {
    const Scored scored = scored_at(tokenizer, answer, i);
    Json one = entry(scored.token, scored.logprob);
    one["top_logprobs"] = Json::array();
    if (scored.alternatives)
      for (size_t a = 0; a < std::min(scored.alternatives->size(), size_t(top)); ++a)
        one["top_logprobs"].push_back(entry((*scored.alternatives)[a].token, (*scored.alternatives)[a].logprob));
    content.push_back(std::move(one));
  }
  return {{"content", content}, {"refusal", nullptr}};
}

}  // namespace ken::server
