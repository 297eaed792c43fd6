// A byte trie over added tokens: leftmost, then longest, as Hugging Face's added vocabulary matches.
#include "ken/text/added_tokens.h"

namespace ken::text {

void AddedTokens::add(std::string_view piece, int32_t id, bool control) {
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
}

std::optional<AddedTokens::Match> AddedTokens::match_at(std::string_view text, size_t at, bool with_control) const {
  std::optional<Match> longest;
  uint32_t node = 0;
  for (size_t end = at; end < text.size();) {
    const auto child = nodes_[node].children.find(text[end]);
    if (child == nodes_[node].children.end()) break;
    node = child->second;
    ++end;
    const Node& here = nodes_[node];
    if (here.id >= 0 && (with_control || !here.control)) longest = Match{at, end, here.id, here.control};
  }
  return longest;
}

std::optional<AddedTokens::Match> AddedTokens::find(std::string_view text, size_t from, bool with_control) const {
  for (size_t at = from; at < text.size(); ++at) {
    if (!first_[uint8_t(text[at])]) continue;
    if (auto match = match_at(text, at, with_control)) return match;
  }
  return std::nullopt;
}

}  // namespace ken::text
