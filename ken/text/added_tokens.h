// Tokens that are matched in text before anything else: user-defined ones always, control ones on request. Private to
// text/.
#pragma once
#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string_view>
#include <vector>

namespace ken::text {

// What an added token does besides matching (tokenizer.json's names).
struct AddedFlags {
  bool lstrip = false, rstrip = false;  // takes the white space on that side
  bool single_word = false;             // matches only between characters that are no part of a word
  bool normalized = false;              // is looked for in normalised text
};

class AddedTokens {
 public:
  struct Match {
    size_t begin, end;  // with the white space that it takes
    int32_t id;
    bool control;
  };
  void add(std::string_view piece, int32_t id, bool control, AddedFlags flags = {});
  bool empty() const { return nodes_.size() == 1; }
  // The leftmost match at or after `from`, the longest of those that begin there.
  std::optional<Match> find(std::string_view text, size_t from, bool with_control) const;
  // The longest match that begins at `at`, whatever its flags.
  std::optional<Match> match_at(std::string_view text, size_t at, bool with_control) const;

 private:
  struct Node {
    std::map<char, uint32_t> children;
    int32_t id = -1;
    bool control = false;
    AddedFlags flags;
  };
  const Node* longest(std::string_view text, size_t at, bool with_control, size_t& end) const;
  std::vector<Node> nodes_{1};
  std::array<bool, 256> first_{};  // bytes with which a token begins
};

}  // namespace ken::text
