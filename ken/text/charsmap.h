// SentencePiece's precompiled normalisation rules: a double array (Darts) from text to its replacement. Private to
// text/.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace ken::text {

class CharsMap {
 public:
  struct Rule {
    size_t length;  // bytes that it replaces
    std::string_view replacement;
  };

  CharsMap() = default;  // has no rule
  // `blob`: the array's size in bytes (u32), the array, the replacements, each ended by a zero byte. Throws Error where
  // it is damaged; what only a lookup can find throws there.
  explicit CharsMap(std::string_view blob);

  bool empty() const { return units_.empty(); }
  // The longest rule, or the shortest, whose text `text` begins with.
  std::optional<Rule> longest(std::string_view text) const { return find(text, false); }
  std::optional<Rule> shortest(std::string_view text) const { return find(text, true); }

 private:
  std::optional<Rule> find(std::string_view text, bool first) const;
  uint32_t unit(size_t i) const;
  std::string_view replacement(size_t at) const;
  std::vector<uint32_t> units_;
  std::string replacements_;
};

}  // namespace ken::text
