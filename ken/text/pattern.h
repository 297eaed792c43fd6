// Regular expressions of tokenizers: Oniguruma's dialect, as tokenizer.json has it, run by PCRE2. Private to text/.
#pragma once
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

namespace ken::text {

class Pattern {
 public:
  // Throws Error when it does not compile.
  explicit Pattern(const std::string& regex);
  ~Pattern();
  Pattern(Pattern&&) noexcept;

  // Calls `match(begin, end)` for the matches in well-formed UTF-8 from left to right; one may be empty, but not where
  // another ended. A match that exceeds PCRE2's limits ends the search: the rest counts as unmatched, which costs
  // tokens but no correctness of decoding.
  void each(std::string_view text, const std::function<void(size_t, size_t)>& match) const;

  // The pattern that matches this text only.
  static std::string literal(std::string_view text);

 private:
  struct Code;
  std::unique_ptr<Code> code_;
};

}  // namespace ken::text
