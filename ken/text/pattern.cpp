// Oniguruma's patterns in PCRE2's words, and the search. Escapes that differ are spelled out; what both read alike
// stays as it is.
#define PCRE2_CODE_UNIT_WIDTH 8
#include "ken/text/pattern.h"

#include <pcre2.h>

#include <algorithm>
#include <cctype>
#include <new>

#include "ken/base/error.h"
#include "ken/text/bytes.h"

namespace ken::text {
namespace {

// Unicode's White_Space: PCRE2's own \s is ASCII, or (with UCP) has U+180E more.
constexpr std::string_view space =
    R"(\x{9}-\x{d}\x{20}\x{85}\x{a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000})";
constexpr std::string_view word = R"(\p{L}\p{M}\p{Nd}\p{Pc})";

class Translator {
 public:
  explicit Translator(std::string_view pattern) : pattern_(pattern) {}

  std::string translate() {
    while (at_ < pattern_.size()) {
      const char c = pattern_[at_];
      if (c == '\\' && at_ + 1 < pattern_.size()) {
        escape(pattern_[at_ + 1]);
        continue;
      }
      if (c == '{' && !in_class_ && repeated_interval()) continue;
      if (c == '[') in_class_ = true;
      if (c == ']') in_class_ = false;
      result_ += c;
      ++at_;
    }
    return std::move(result_);
  }

 private:
  void escape(char letter) {
    at_ += 2;
    if (letter == 's') return set(space, false);
    if (letter == 'S' && !in_class_) return set(space, true);
    if (letter == 'w') return set(word, false);
    if (letter == 'W' && !in_class_) return set(word, true);
    if (letter == 'u' && pattern_.size() - at_ >= 4) {
      result_ += fmt::format("\\x{{{}}}", pattern_.substr(at_, 4));
      at_ += 4;
      return;
    }
    result_ += {'\\', letter};
  }
  void set(std::string_view members, bool inverted) {
    result_ += in_class_ ? std::string(members) : fmt::format("[{}{}]", inverted ? "^" : "", members);
  }

  // {1,3}+ repeats the repetition; to PCRE2 it is a possessive one.
  bool repeated_interval() {
    const size_t end = pattern_.find('}', at_);
    if (end == pattern_.npos || end + 1 >= pattern_.size() || pattern_[end + 1] != '+') return false;
    const std::string_view inside = pattern_.substr(at_ + 1, end - at_ - 1);
    const std::string_view least = inside.substr(0, inside.find(','));
    if (least != "1" && least != "0" && !least.empty()) return false;
    for (const char c : inside)
      if (!std::isdigit(static_cast<unsigned char>(c)) && c != ',') return false;
    result_ += least == "1" ? '+' : '*';
    at_ = end + 2;
    return true;
  }

  std::string_view pattern_;
  std::string result_;
  size_t at_ = 0;
  bool in_class_ = false;
};

using MatchData = std::unique_ptr<pcre2_match_data, decltype(&pcre2_match_data_free)>;

}  // namespace

struct Pattern::Code {
  explicit Code(const std::string& regex) {
    const std::string source = Translator(regex).translate();
    int error = 0;
    size_t at = 0;
    code = pcre2_compile(reinterpret_cast<PCRE2_SPTR>(source.data()), source.size(), PCRE2_UTF | PCRE2_UCP, &error, &at,
                         nullptr);
    if (!code) fail("tokenizer", "the pattern '{}' does not compile: PCRE2 error {}", regex.substr(0, 200), error);
    pcre2_jit_compile(code, PCRE2_JIT_COMPLETE);  // without it matching is only slower
  }
  ~Code() { pcre2_code_free(code); }
  Code(const Code&) = delete;
  Code& operator=(const Code&) = delete;

  // Whether there is a match from `from` on, which then stands in `data`.
  bool find(std::string_view text, size_t from, pcre2_match_data* data) const {
    const auto subject = reinterpret_cast<PCRE2_SPTR>(text.data());
    int found = pcre2_match(code, subject, text.size(), from, PCRE2_NO_UTF_CHECK, data, nullptr);
    if (found == PCRE2_ERROR_JIT_STACKLIMIT)
      found = pcre2_match(code, subject, text.size(), from, PCRE2_NO_UTF_CHECK | PCRE2_NO_JIT, data, nullptr);
    return found >= 0;
  }

  pcre2_code* code = nullptr;
};

Pattern::Pattern(const std::string& regex) : code_(std::make_unique<Code>(regex)) {}
Pattern::~Pattern() = default;
Pattern::Pattern(Pattern&&) noexcept = default;

void Pattern::each(std::string_view text, const std::function<void(size_t, size_t)>& match) const {
  const MatchData data(pcre2_match_data_create_from_pattern(code_->code, nullptr), pcre2_match_data_free);
  if (!data) throw std::bad_alloc();
  size_t last = text.size() + 1;  // where the match before ended
  for (size_t from = 0; from <= text.size() && code_->find(text, from, data.get());) {
    const size_t* span = pcre2_get_ovector_pointer(data.get());
    const size_t begin = span[0], end = span[1];
    if (begin < from || end < begin) return;  // \K in a lookaround can give such a span
    if (end > begin || begin != last) match(begin, end);
    last = end;
    from = end > begin ? end : end + std::max<size_t>(utf8_length(text, end), 1);
  }
}

std::string Pattern::literal(std::string_view text) {
  std::string pattern;
  for (const char c : text) {
    if (static_cast<unsigned char>(c) < 0x80 && !std::isalnum(static_cast<unsigned char>(c))) pattern += '\\';
    pattern += c;
  }
  return pattern;
}

}  // namespace ken::text
