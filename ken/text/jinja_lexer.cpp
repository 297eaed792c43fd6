// The lexer: text outside of tags with its white space trimmed, and the tokens inside of them.
#include "ken/text/jinja_lexer.h"

#include <unicode/uchar.h>

#include <algorithm>

#include "ken/text/bytes.h"
#include "ken/text/jinja_strings.h"

namespace ken::text::jinja {
namespace {

class Lexer {
 public:
  Lexer(std::string_view source, const TemplateLimits& limits) : source_(source), limits_(limits) {}

  std::vector<Token> run() {
    while (at_ < source_.size()) {
      const size_t begin = find_tag();
      if (begin == source_.npos) {
        put(TokenType::data, source_.substr(at_));
        break;
      }
      const char kind = source_[begin + 1];
      if (kind == '%' && raw_end(begin, "raw", false) != 0) {
        read_raw(begin);
      } else if (kind == '#') {
        read_comment(begin);
      } else {
        read_tag(begin, kind == '{');
      }
    }
    put(TokenType::end, {});
    return std::move(tokens_);
  }

 private:
  template <typename... Args>
  [[noreturn]] void refuse(fmt::format_string<Args...> text, Args&&... args) {
    fail("template", "line {}: {}", line_, fmt::format(text, std::forward<Args>(args)...));
  }

  void put(TokenType type, std::string_view text) {
    if (type == TokenType::data && text.empty()) return;
    if (tokens_.size() >= limits_.nodes) refuse("the template has more than {} tokens (limit: nodes)", limits_.nodes);
    tokens_.push_back({type, line_, text});
  }

  // Moves on and counts the lines that are left behind.
  void move_to(size_t next) {
    line_ += uint32_t(std::count(source_.begin() + ptrdiff_t(at_), source_.begin() + ptrdiff_t(next), '\n'));
    at_ = next;
  }

  char peek(size_t i) const { return i < source_.size() ? source_[i] : '\0'; }
  bool stands(size_t i, std::string_view text) const {
    return source_.substr(std::min(i, source_.size()), text.size()) == text;
  }

  size_t find_tag() const {
    for (size_t i = source_.find('{', at_); i != source_.npos; i = source_.find('{', i + 1))
      if (const char next = peek(i + 1); next == '%' || next == '{' || next == '#') return i;
    return source_.npos;
  }

  size_t after_space(size_t i) const {
    size_t length = 0;
    while (i < source_.size() && is_space(character(source_, i, length))) i += length;
    return i;
  }

  // The text before a tag: "-" drops all white space at its end; a block tag that is the first thing on its line drops
  // what is before it on the line, unless "+" says not to.
  std::string_view before_tag(std::string_view text, char sign, bool is_output) const {
    if (sign == '-') return strip(text, std::nullopt, Side::right);
    if (sign == '+' || is_output) return text;
    const size_t newline = text.rfind('\n');
    const size_t begin = newline == text.npos ? 0 : newline + 1;
    if (newline == text.npos && !line_starting_) return text;
    return strip(text.substr(begin), std::nullopt, Side::both).empty() ? text.substr(0, begin) : text;
  }

  // Where a tag's end at `i` ends with what it trims; 0 if there is none. A newline after a block's end is dropped.
  size_t tag_end(size_t i, std::string_view close, bool trims_newline, bool takes_plus) const {
    if (peek(i) == '-' && stands(i + 1, close)) return after_space(i + 3);
    if (takes_plus && peek(i) == '+' && stands(i + 1, close)) return i + 3;
    if (!stands(i, close)) return 0;
    return i + 2 + (trims_newline && peek(i + 2) == '\n');
  }

  char sign_at(size_t i) const { return peek(i) == '-' || peek(i) == '+' ? peek(i) : '\0'; }

  // The end of {% raw %} or {% endraw %} that begins at `begin`; 0 if something else stands there.
  size_t raw_end(size_t begin, std::string_view word, bool trims_newline) const {
    if (!stands(begin, "{%")) return 0;
    const size_t name = after_space(begin + 2 + (sign_at(begin + 2) != '\0'));
    if (!stands(name, word)) return 0;
    return tag_end(after_space(name + word.size()), "%}", trims_newline, trims_newline);
  }

  void finish(size_t next) {
    line_starting_ = next > 0 && source_[next - 1] == '\n';
    move_to(next);
  }

  void read_raw(size_t begin) {
    put(TokenType::data, before_tag(source_.substr(at_, begin - at_), sign_at(begin + 2), false));
    finish(raw_end(begin, "raw", false));
    for (size_t i = source_.find("{%", at_); i != source_.npos; i = source_.find("{%", i + 2)) {
      const size_t end = raw_end(i, "endraw", true);
      if (end == 0) continue;
      put(TokenType::data, before_tag(source_.substr(at_, i - at_), sign_at(i + 2), false));
      return finish(end);
    }
    refuse("{{% raw %}} without {{% endraw %}}");
  }

  void read_comment(size_t begin) {
    const char sign = sign_at(begin + 2);
    put(TokenType::data, before_tag(source_.substr(at_, begin - at_), sign, false));
    move_to(begin);
    const size_t content = begin + 2 + (sign != '\0'), close = source_.find("#}", content);
    if (close == source_.npos) refuse("a comment {{# without #}}");
    const char last = close > content ? peek(close - 1) : '\0';
    finish(last == '-' ? after_space(close + 2) : close + 2 + (last != '+' && peek(close + 2) == '\n'));
  }

  void read_tag(size_t begin, bool is_output) {
    const char sign = sign_at(begin + 2);
    put(TokenType::data, before_tag(source_.substr(at_, begin - at_), sign, is_output));
    move_to(begin + 2 + (sign != '\0'));
    put(is_output ? TokenType::output_begin : TokenType::block_begin, source_.substr(begin, 2));
    open_.clear();
    while (at_ < source_.size()) {
      const size_t end = open_.empty() ? tag_end(at_, is_output ? "}}" : "%}", !is_output, !is_output) : 0;
      if (end) {
        put(is_output ? TokenType::output_end : TokenType::block_end, source_.substr(at_, 2));
        return finish(end);
      }
      const size_t next = after_space(at_);
      if (next != at_) {
        move_to(next);
      } else {
        read_token();
      }
    }
  }

  void read_token() {
    const char c = source_[at_];
    if (c >= '0' && c <= '9') {
      read_number();
    } else if (c == '\'' || c == '"') {
      read_string(c);
    } else if (const size_t end = name_end(at_); end != at_) {
      put(TokenType::name, source_.substr(at_, end - at_));
      move_to(end);
    } else {
      read_operator();
    }
  }

  size_t name_end(size_t i) const {
    size_t length = 0;
    while (i < source_.size()) {
      const char32_t c = character(source_, i, length);
      const bool plain = c < 0x80 && (std::isalnum(int(c)) || c == '_');
      if (!plain && (c < 0x80 || !u_hasBinaryProperty(UChar32(c), UCHAR_XID_CONTINUE))) break;
      i += length;
    }
    return i;
  }

  // Digits with single underscores between them.
  template <typename Fits>
  size_t digits_end(size_t i, Fits fits) const {
    if (!fits(peek(i))) return i;
    for (++i; fits(peek(i)) || (peek(i) == '_' && fits(peek(i + 1)));) ++i;
    return i;
  }

  void read_number() {
    const auto decimal = [](char c) { return c >= '0' && c <= '9'; };
    const char kind = peek(at_) == '0' ? char(peek(at_ + 1) | 0x20) : '\0';
    if (kind == 'x' || kind == 'b' || kind == 'o') {
      const auto fits = [&](char c) {
        return kind == 'x' ? std::isxdigit(static_cast<unsigned char>(c)) != 0
                           : c >= '0' && c <= (kind == 'b' ? '1' : '7');
      };
      const size_t first = at_ + 2 + (peek(at_ + 2) == '_'), end = digits_end(first, fits);
      if (end != first) return take(TokenType::integer, end);
    }
    size_t end = digits_end(at_, decimal);
    if (at_ > 0 && source_[at_ - 1] == '.') return take(TokenType::integer, end);  // x.0.1 is two subscripts
    bool real = false;
    if (peek(end) == '.' && decimal(peek(end + 1))) {
      end = digits_end(end + 1, decimal);
      real = true;
    }
    if (peek(end) == 'e' || peek(end) == 'E') {
      const size_t exponent = end + 1 + (sign_at(end + 1) != '\0');
      if (decimal(peek(exponent))) {
        end = digits_end(exponent, decimal);
        real = true;
      }
    }
    take(real ? TokenType::real : TokenType::integer, end);
  }

  void take(TokenType type, size_t end) {
    put(type, source_.substr(at_, end - at_));
    move_to(end);
  }

  void read_string(char mark) {
    size_t end = at_ + 1;
    while (end < source_.size() && source_[end] != mark) end += source_[end] == '\\' ? 2 : 1;
    if (end >= source_.size()) refuse("a string without its closing {}", mark);
    put(TokenType::string, source_.substr(at_ + 1, end - at_ - 1));
    move_to(end + 1);
  }

  void read_operator() {
    static constexpr std::string_view operators[] = {"//", "**", "==", "!=", ">=", "<=", "+", "-", "/",
                                                     "*",  "%",  "~",  "[",  "]",  "(",  ")", "{", "}",
                                                     ">",  "<",  "=",  ".",  ":",  "|",  ",", ";"};
    const auto* found =
        std::find_if(std::begin(operators), std::end(operators), [&](std::string_view op) { return stands(at_, op); });
    if (found == std::end(operators)) {
      size_t length = 0;
      character(source_, at_, length);
      refuse("unexpected character {}", quote(source_.substr(at_, length)));
    }
    balance((*found)[0]);
    take(TokenType::op, at_ + found->size());
  }

  // Inside brackets "}}" and "%}" do not end a tag.
  void balance(char c) {
    if (c == '(' || c == '[' || c == '{') open_ += c == '(' ? ')' : c == '[' ? ']' : '}';
    if (c != ')' && c != ']' && c != '}') return;
    if (open_.empty()) refuse("unexpected '{}'", c);
    if (open_.back() != c) refuse("unexpected '{}', expected '{}'", c, open_.back());
    open_.pop_back();
  }

  std::string_view source_;
  const TemplateLimits& limits_;
  std::vector<Token> tokens_;
  std::string open_;  // the closing brackets that are due
  size_t at_ = 0;
  uint32_t line_ = 1;
  bool line_starting_ = true;
};

}  // namespace

std::string normalise(std::string_view source) {
  if (!is_utf8(source)) fail("template", "the template is not UTF-8; the file is damaged");
  std::string out;
  out.reserve(source.size());
  for (size_t i = 0; i < source.size(); ++i) {
    if (source[i] == '\r' && i + 1 < source.size() && source[i + 1] == '\n') continue;
    out += source[i] == '\r' ? '\n' : source[i];
  }
  if (out.ends_with('\n')) out.pop_back();
  return out;
}

std::vector<Token> tokenize(std::string_view normalised, const TemplateLimits& limits) {
  return Lexer(normalised, limits).run();
}

}  // namespace ken::text::jinja
