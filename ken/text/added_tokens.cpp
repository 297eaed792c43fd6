// A byte trie over added tokens: leftmost, then longest, as Hugging Face's added vocabulary matches.
#include "ken/text/added_tokens.h"

#include <unicode/uchar.h>

#include <algorithm>

#include "ken/text/bytes.h"

namespace ken::text {
namespace {

bool is_space(char32_t code) { return u_isUWhiteSpace(UChar32(code)); }

// What a regular expression's \w takes.
bool is_word(char32_t code) {
  const uint32_t mask = U_GET_GC_MASK(UChar32(code));
  return u_isUAlphabetic(UChar32(code)) || (mask & (U_GC_M_MASK | U_GC_ND_MASK | U_GC_PC_MASK)) || code == 0x200c ||
         code == 0x200d;
}

// The beginning of the character that ends at `end`; no value at the text's start or after a bad byte.
std::optional<size_t> character_before(std::string_view text, size_t end) {
  for (size_t length = 1; length <= std::min<size_t>(end, 4); ++length)
    if (utf8_length(text, end - length) == length) return end - length;
  return std::nullopt;
}

bool word_before(std::string_view text, size_t at) {
  const auto begin = character_before(text, at);
  return begin && is_word(code_point(text, *begin));
}
bool word_after(std::string_view text, size_t at) { return utf8_length(text, at) && is_word(code_point(text, at)); }

}  // namespace

void AddedTokens::add(std::string_view piece, int32_t id, bool control, AddedFlags flags) {
  if (piece.empty()) return;
  first_[uint8_t(piece[0])] = true;
  uint32_t node = 0;
  for (const char byte : piece) {
    const auto [child, is_new] = nodes_[node].children.try_emplace(byte, uint32_t(nodes_.size()));
    node = child->second;
    if (is_new) nodes_.emplace_back();
  }
  if (nodes_[node].id >= 0) return;  // of equal texts the first id stands
  nodes_[node].id = id;
  nodes_[node].control = control;
  nodes_[node].flags = flags;
}

const AddedTokens::Node* AddedTokens::longest(std::string_view text, size_t at, bool with_control, size_t& end) const {
  const Node* found = nullptr;
  uint32_t node = 0;
  for (size_t i = at; i < text.size();) {
    const auto child = nodes_[node].children.find(text[i]);
    if (child == nodes_[node].children.end()) break;
    node = child->second;
    ++i;
    const Node& here = nodes_[node];
    if (here.id < 0 || (here.control && !with_control)) continue;
    found = &here;
    end = i;
  }
  return found;
}

std::optional<AddedTokens::Match> AddedTokens::match_at(std::string_view text, size_t at, bool with_control) const {
  size_t end = at;
  const Node* node = longest(text, at, with_control, end);
  if (!node) return std::nullopt;
  return Match{at, end, node->id, node->control};
}

std::optional<AddedTokens::Match> AddedTokens::find(std::string_view text, size_t from, bool with_control) const {
  for (size_t at = from; at < text.size(); ++at) {
    if (!first_[uint8_t(text[at])]) continue;
    size_t end = at;
    const Node* node = longest(text, at, with_control, end);
    if (!node) continue;
    if (node->flags.single_word && (word_before(text, at) || word_after(text, end))) {
      at = end - 1;
      continue;
    }
    Match match{at, end, node->id, node->control};
    while (node->flags.lstrip && match.begin > from) {
      const auto before = character_before(text, match.begin);
      if (!before || *before < from || !is_space(code_point(text, *before))) break;
      match.begin = *before;
    }
    while (node->flags.rstrip && utf8_length(text, match.end) && is_space(code_point(text, match.end)))
      match.end += utf8_length(text, match.end);
    return match;
  }
  return std::nullopt;
}

}  // namespace ken::text
