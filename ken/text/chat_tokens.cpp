// Cutting a rendered chat at its special tokens. The parts between them go through the tokenizer without special
// tokens, so that nothing in them can become one.
#include "ken/text/chat_tokens.h"

#include <algorithm>

#include "ken/base/error.h"
#include "ken/text/added_tokens.h"
#include "ken/text/bytes.h"

namespace ken::text {
namespace {

constexpr std::string_view guard_mark = "\xef\xb7\x90";  // U+FDD0, which no text for interchange holds
constexpr int64_t control_type = 3, user_defined_type = 4;

bool mark_at(std::string_view text, size_t at) { return text.substr(at).starts_with(guard_mark); }

}  // namespace

// Text between two special tokens, its guards taken away.
struct ChatTokens::Chunk {
  std::string text;
  // From this byte on, the text stands so many bytes further on in the guarded text; in order, the first at 0.
  std::vector<std::pair<size_t, size_t>> shifts;
  std::vector<size_t> guarded;  // where in `text` a guarded token begins

  void add(std::string_view part, size_t origin) {
    if (shifts.empty() || shifts.back().second != origin - text.size())
      shifts.emplace_back(text.size(), origin - text.size());
    text += part;
  }
  size_t origin(size_t at) const {
    const auto after = std::upper_bound(shifts.begin(), shifts.end(), std::pair(at, SIZE_MAX));
    return at + std::prev(after)->second;
  }
};

ChatTokens::ChatTokens(std::shared_ptr<const Tokenizer> tokenizer, const io::Metadata& metadata,
                       std::string_view source)
    : tokenizer_(std::move(tokenizer)) {
  if (!tokenizer_) fail("chat", "the model holds no tokenizer, so a chat has no tokens; give a model with one");
  auto special = std::make_unique<AddedTokens>();
  const std::string key = "tokenizer.ggml.token_type";
  const std::vector<int64_t> types = metadata.has(key) ? metadata.integers(key) : std::vector<int64_t>();
  for (size_t i = 0; i < std::min(types.size(), tokenizer_->pieces.size()); ++i) {
    const std::string& piece = tokenizer_->pieces[i];
    const bool named = types[i] == user_defined_type && source.find(piece) != std::string_view::npos &&
                       piece.find_first_not_of(" \t\r\n") != std::string::npos;
    if (types[i] != control_type && !named) continue;
    special->add(piece, int32_t(i), types[i] == control_type);
    longest_ = std::max(longest_, piece.size());
  }
  special_ = std::move(special);
}
ChatTokens::~ChatTokens() = default;

std::string ChatTokens::guard(std::string_view said) const {
  std::string doubled, result;
  for (size_t at = 0; at < said.size(); ++at) {
    if (mark_at(said, at)) doubled += guard_mark;
    doubled += said[at];
  }
  size_t at = 0;
  for (auto match = special_->find(doubled, 0, true); match; match = special_->find(doubled, at, true)) {
    result.append(doubled, at, match->begin - at).append(guard_mark) += doubled[match->begin];
    at = match->begin + 1;  // another may begin inside this one
  }
  return result.append(doubled, at);
}

std::string ChatTokens::shown(std::string_view guarded) {
  std::string text;
  for (size_t at = 0; at < guarded.size();) {
    if (mark_at(guarded, at)) {
      at += guard_mark.size();
      if (mark_at(guarded, at)) text += guard_mark, at += guard_mark.size();
      continue;
    }
    text += guarded[at++];
  }
  return text;
}

std::vector<Tokenizer::Piece> ChatTokens::pieces(std::string_view guarded) const {
  std::vector<Tokenizer::Piece> out;
  Chunk chunk;
  auto next = special_->find(guarded, 0, true);
  for (size_t at = 0; at < guarded.size();) {
    if (mark_at(guarded, at)) {
      at += guard_mark.size();
      const size_t literal = mark_at(guarded, at) ? guard_mark.size() : size_t(at < guarded.size());
      if (literal == 1) chunk.guarded.push_back(chunk.text.size());
      chunk.add(guarded.substr(at, literal), at);
      at += literal;
    } else {
      if (next && next->begin < at) next = special_->find(guarded, at, true);
      if (next && next->begin == at) {
        add_text(chunk, out);
        chunk = {};
        out.push_back({next->id, next->begin, next->end});
        at = next->end;
      } else {
        chunk.add(guarded.substr(at, 1), at);
        ++at;
      }
    }
  }
  add_text(chunk, out);
  return out;
}

// User-defined tokens are matched in any text, so a guarded one is cut after its first character.
void ChatTokens::add_text(const Chunk& chunk, std::vector<Tokenizer::Piece>& out) const {
  size_t begin = 0;
  const auto encode_to = [&](size_t stop) {
    if (stop == begin) return;
    for (auto& piece : tokenizer_->encode_with_offsets(std::string_view(chunk.text).substr(begin, stop - begin)))
      out.push_back({piece.id, chunk.origin(begin + piece.begin), chunk.origin(begin + piece.end)});
    begin = stop;
  };
  for (const size_t at : chunk.guarded) {
    const std::string_view here = std::string_view(chunk.text).substr(at, longest_);
    const auto match = special_->find(here, 0, false);
    if (match && match->begin == 0 && at >= begin) encode_to(at + std::max<size_t>(1, utf8_length(here, 0)));
  }
  encode_to(chunk.text.size());
}

std::vector<int32_t> ChatTokens::encode(std::string_view guarded) const {
  std::vector<int32_t> ids;
  for (const auto& piece : pieces(guarded)) ids.push_back(piece.id);
  return ids;
}

std::optional<int32_t> ChatTokens::first_special(std::string_view text) const {
  const auto match = special_->find(text, 0, true);
  return match ? std::optional(match->id) : std::nullopt;
}

}  // namespace ken::text
