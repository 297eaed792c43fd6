// Python's string functions over UTF-8: case and character classes are ICU's, positions count characters.
#include "ken/text/jinja_strings.h"

#include <unicode/locid.h>
#include <unicode/uchar.h>
#include <unicode/unistr.h>

#include <algorithm>
#include <charconv>

#include "ken/text/bytes.h"
#include "ken/text/jinja_meter.h"

namespace ken::text::jinja {
namespace {

bool ascii(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

template <typename F>
void each_character(std::string_view text, F&& visit) {
  for (size_t at = 0, length = 0; at < text.size(); at += length) visit(character(text, at, length));
}

bool is_separator(std::string_view text, size_t at, size_t& length) { return is_space(character(text, at, length)); }

// The title form of a character; a ligature's upper form is several characters, of which only the first is a capital.
std::string titled(char32_t c) {
  if (u_totitle(UChar32(c)) != u_toupper(UChar32(c))) return utf8(char32_t(u_totitle(UChar32(c))));
  const std::string full = upper(utf8(c));
  const size_t first = byte_of(full, 1);
  return full.substr(0, first) + lower(std::string_view(full).substr(first));
}

bool printable(char32_t c) {
  if (c == ' ') return true;
  switch (u_charType(UChar32(c))) {
    case U_CONTROL_CHAR:
    case U_FORMAT_CHAR:
    case U_SURROGATE:
    case U_PRIVATE_USE_CHAR:
    case U_UNASSIGNED:
    case U_LINE_SEPARATOR:
    case U_PARAGRAPH_SEPARATOR:
    case U_SPACE_SEPARATOR:
      return false;
    default:
      return true;
  }
}

bool has_property(char32_t code, std::string_view method) {
  const auto c = UChar32(code);
  const int kind = u_getIntPropertyValue(c, UCHAR_NUMERIC_TYPE);
  if (method == "isalpha") return u_isalpha(c);
  if (method == "isdecimal") return kind == U_NT_DECIMAL;
  if (method == "isdigit") return kind == U_NT_DECIMAL || kind == U_NT_DIGIT;
  if (method == "isnumeric") return kind != U_NT_NONE;
  if (method == "isalnum") return u_isalpha(c) || kind != U_NT_NONE;
  if (method == "isspace") return is_space(code);
  if (method == "isprintable") return printable(code);
  return code < 0x80;  // isascii
}

// islower and isupper ask only the characters that have a case; istitle asks where a word begins.
bool has_case(std::string_view text, std::string_view method) {
  bool any = false, after_cased = false, fits = true;
  each_character(text, [&](char32_t code) {
    const auto c = UChar32(code);
    const bool is_upper = u_isUUppercase(c) || u_istitle(c), is_lower = u_isULowercase(c);
    if (method == "islower") fits = fits && !is_upper;
    if (method == "isupper") fits = fits && !is_lower && !(u_istitle(c) && !u_isUUppercase(c));
    if (method == "istitle") fits = fits && !(is_upper && after_cased) && !(is_lower && !after_cased);
    after_cased = is_upper || is_lower;
    any = any || (method == "islower" ? is_lower : method == "isupper" ? is_upper : after_cased);
  });
  return any && fits;
}

// Words between white space, as str.split() without a separator; from the right when `backwards`.
std::vector<std::string> split_words(std::string_view text, int64_t most) {
  std::vector<std::string> parts;
  text = strip(text, std::nullopt, Side::left);
  while (!text.empty()) {
    if (most >= 0 && int64_t(parts.size()) == most) {
      parts.emplace_back(text);  // str.split keeps what follows the last word
      return parts;
    }
    size_t end = 0, length = 0;
    while (end < text.size() && !is_separator(text, end, length)) end += length;
    parts.emplace_back(text.substr(0, end));
    text = strip(text.substr(end), std::nullopt, Side::left);
  }
  return parts;
}

std::vector<std::string> split_words_right(std::string_view text, int64_t most) {
  std::vector<std::string> parts;
  text = strip(text, std::nullopt, Side::right);
  while (!text.empty()) {
    size_t begin = text.size();
    if (int64_t(parts.size()) == most) begin = 0;
    while (begin > 0) {
      size_t before = begin - 1, length = 0;
      while (before > 0 && (static_cast<unsigned char>(text[before]) & 0xC0) == 0x80) --before;
      if (is_separator(text, before, length)) break;
      begin = before;
    }
    parts.emplace_back(text.substr(begin));
    text = strip(text.substr(0, begin), std::nullopt, Side::right);
  }
  std::reverse(parts.begin(), parts.end());
  return parts;
}

// "1_000" -> "1000"; an underscore stands between digits only.
std::optional<std::string> without_underscores(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '_') {
      out += text[i];
    } else if (i == 0 || i + 1 == text.size() || !std::isalnum(static_cast<unsigned char>(text[i - 1])) ||
               !std::isalnum(static_cast<unsigned char>(text[i + 1]))) {
      return std::nullopt;
    }
  }
  return out;
}

}  // namespace

bool is_space(char32_t c) {
  return (c >= 9 && c <= 13) || (c >= 0x1c && c <= 0x20) || c == 0x85 || c == 0xa0 || c == 0x1680 ||
         (c >= 0x2000 && c <= 0x200a) || c == 0x2028 || c == 0x2029 || c == 0x202f || c == 0x205f || c == 0x3000;
}

char32_t character(std::string_view text, size_t at, size_t& length) {
  const auto byte = [&](size_t i) { return char32_t(static_cast<unsigned char>(text[at + i])); };
  const char32_t first = byte(0);
  length = first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
  length = std::min(length, text.size() - at);
  char32_t code = length == 1 ? first : first & (0x7f >> length);
  for (size_t i = 1; i < length; ++i) code = code << 6 | (byte(i) & 0x3f);
  return code;
}

std::string utf8(char32_t c) {
  std::string out;
  icu::UnicodeString(UChar32(c)).toUTF8String(out);
  return out;
}

size_t characters(std::string_view text) {
  return size_t(std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; }));
}

size_t byte_of(std::string_view text, size_t n) {
  size_t at = 0;
  for (size_t length = 0; n > 0 && at < text.size(); --n, at += length) character(text, at, length);
  return at;
}

std::vector<std::string_view> split_characters(std::string_view text) {
  std::vector<std::string_view> parts;
  for (size_t at = 0, length = 0; at < text.size(); at += length) {
    character(text, at, length);
    parts.push_back(text.substr(at, length));
  }
  return parts;
}

std::string_view strip(std::string_view text, const std::optional<std::string>& set, Side side) {
  const auto dropped = [&](size_t at, size_t length) {
    size_t ignored = 0;
    if (!set) return is_space(character(text, at, ignored));
    const std::string_view one = text.substr(at, length);
    for (size_t found = set->find(one); found != std::string::npos; found = set->find(one, found + 1)) return true;
    return false;
  };
  size_t begin = 0, end = text.size(), length = 0;
  while (side != Side::right && begin < end && (character(text, begin, length), dropped(begin, length)))
    begin += length;
  while (side != Side::left && end > begin) {
    size_t last = end - 1;
    while (last > begin && (static_cast<unsigned char>(text[last]) & 0xC0) == 0x80) --last;
    if (!dropped(last, end - last)) break;
    end = last;
  }
  return text.substr(begin, end - begin);
}

std::string upper(std::string_view text) {
  std::string out(text);
  if (ascii(text)) {
    for (char& c : out) c = c >= 'a' && c <= 'z' ? char(c - 32) : c;
    return out;
  }
  out.clear();
  icu::UnicodeString::fromUTF8({text.data(), int32_t(text.size())}).toUpper(icu::Locale::getRoot()).toUTF8String(out);
  return out;
}

std::string lower(std::string_view text) {
  std::string out(text);
  if (ascii(text)) {
    for (char& c : out) c = c >= 'A' && c <= 'Z' ? char(c + 32) : c;
    return out;
  }
  out.clear();
  icu::UnicodeString::fromUTF8({text.data(), int32_t(text.size())}).toLower(icu::Locale::getRoot()).toUTF8String(out);
  return out;
}

std::string capitalize(std::string_view text) {
  if (text.empty()) return "";
  size_t length = 0;
  const char32_t first = character(text, 0, length);
  return titled(first) + lower(text.substr(length));
}

std::string title(std::string_view text) {
  constexpr char32_t sigma = 0x3a3;
  const auto cased = [](char32_t c) { return bool(u_hasBinaryProperty(UChar32(c), UCHAR_CASED)); };
  std::string out;
  bool inside = false;
  for (size_t at = 0, length = 0, ignored = 0; at < text.size(); at += length) {
    const char32_t c = character(text, at, length);
    const bool ends = at + length == text.size() || !cased(character(text, at + length, ignored));
    out += !inside ? titled(c) : c == sigma && ends ? "\u03c2" : lower(utf8(c));
    inside = cased(c);
  }
  return out;
}

std::string swap_case(std::string_view text) {
  std::string out;
  each_character(text, [&](char32_t c) { out += u_isUUppercase(UChar32(c)) ? lower(utf8(c)) : upper(utf8(c)); });
  return out;
}

std::string replace(std::string_view text, std::string_view from, std::string_view to, int64_t count) {
  std::string out;
  size_t at = 0;
  for (; count != 0 && at <= text.size(); --count) {
    size_t length = 0;
    const size_t found = from.empty() ? at : text.find(from, at);
    if (found == std::string_view::npos) break;
    out.append(text.substr(at, found - at)).append(to);
    check_text(out.size());
    at = found + from.size();
    if (!from.empty()) continue;  // an empty text stands between all characters
    if (at < text.size()) character(text, at, length);
    out.append(text.substr(at, length));
    at += std::max<size_t>(length, 1);
  }
  return at < text.size() ? out.append(text.substr(at)) : out;
}

std::vector<std::string> split(std::string_view text, const std::optional<std::string>& separator, int64_t most) {
  if (!separator) return split_words(text, most);
  if (separator->empty()) fault("empty separator");
  std::vector<std::string> parts;
  size_t at = 0;
  for (size_t end; most < 0 || int64_t(parts.size()) < most; at = end + separator->size()) {
    end = text.find(*separator, at);
    if (end == std::string_view::npos) break;
    parts.emplace_back(text.substr(at, end - at));
  }
  parts.emplace_back(text.substr(at));
  return parts;
}

std::vector<std::string> split_right(std::string_view text, const std::optional<std::string>& separator, int64_t most) {
  if (!separator) return split_words_right(text, most);
  if (separator->empty()) fault("empty separator");
  std::vector<std::string> parts;
  while (most < 0 || int64_t(parts.size()) < most) {
    const size_t found = text.rfind(*separator);
    if (found == std::string_view::npos) break;
    parts.emplace_back(text.substr(found + separator->size()));
    text = text.substr(0, found);
  }
  parts.emplace_back(text);
  std::reverse(parts.begin(), parts.end());
  return parts;
}

std::vector<std::string> split_lines(std::string_view text, bool keep_ends) {
  std::vector<std::string> lines;
  size_t begin = 0;
  for (size_t at = 0, length = 0; at < text.size();) {
    const char32_t c = character(text, at, length);
    const bool ends = (c >= 10 && c <= 13) || (c >= 0x1c && c <= 0x1e) || c == 0x85 || c == 0x2028 || c == 0x2029;
    size_t next = at + length;
    if (c == '\r' && next < text.size() && text[next] == '\n') ++next;
    if (ends) {
      lines.emplace_back(text.substr(begin, (keep_ends ? next : at) - begin));
      begin = next;
    }
    at = next;
  }
  if (begin < text.size()) lines.emplace_back(text.substr(begin));
  return lines;
}

std::string html_escape(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '\'':
        out += "&#39;";
        break;
      case '"':
        out += "&#34;";
        break;
      default:
        out += c;
    }
  }
  check_text(out.size());
  return out;
}

std::string quote(std::string_view text) {
  const bool has_single = text.find('\'') != text.npos, has_double = text.find('"') != text.npos;
  const char mark = has_single && !has_double ? '"' : '\'';
  std::string out(1, mark);
  each_character(text, [&](char32_t c) {
    if (c == char32_t(mark) || c == '\\') {
      out += '\\';
      out += char(c);
    } else if (c == '\n' || c == '\r' || c == '\t') {
      out += c == '\n' ? "\\n" : c == '\r' ? "\\r" : "\\t";
    } else if (printable(c)) {
      out += utf8(c);
    } else {
      out += c < 0x100     ? fmt::format("\\x{:02x}", uint32_t(c))
             : c < 0x10000 ? fmt::format("\\u{:04x}", uint32_t(c))
                           : fmt::format("\\U{:08x}", uint32_t(c));
    }
  });
  check_text(out.size());
  return out += mark;
}

bool all_are(std::string_view text, std::string_view method) {
  if (method == "islower" || method == "isupper" || method == "istitle") return has_case(text, method);
  bool fits = true;
  each_character(text, [&](char32_t c) { fits = fits && has_property(c, method); });
  return fits && (!text.empty() || method == "isascii" || method == "isprintable");
}

std::optional<int64_t> parse_integer(std::string_view text, int base) {
  const auto plain = without_underscores(strip(text, std::nullopt, Side::both));
  if (!plain || plain->empty()) return std::nullopt;
  std::string digits = *plain;
  const bool negative = digits[0] == '-';
  if (negative || digits[0] == '+') digits.erase(0, 1);
  const std::string prefix = lower(digits.substr(0, 2));
  const int named = prefix == "0x" ? 16 : prefix == "0o" ? 8 : prefix == "0b" ? 2 : 0;
  if (named && (base == named || base == 0)) {
    digits.erase(0, 2);
    base = named;
  }
  if (base == 0) base = 10;
  if (digits.empty() || digits[0] == '-') return std::nullopt;
  int64_t value = 0;
  if (negative) digits.insert(0, "-");
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value, base);
  if (error == std::errc::result_out_of_range) fault("the integer {} does not fit into 64 bits", digits.substr(0, 40));
  if (error != std::errc() || end != digits.data() + digits.size()) return std::nullopt;
  return value;
}

std::optional<double> parse_float(std::string_view text) {
  const auto plain = without_underscores(strip(text, std::nullopt, Side::both));
  if (!plain || plain->empty()) return std::nullopt;
  std::string_view digits = *plain;
  if (digits[0] == '+') digits.remove_prefix(1);
  if (digits.empty() || digits[0] == '+' || digits.find('(') != digits.npos) return std::nullopt;
  double value = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (end != digits.data() + digits.size()) return std::nullopt;
  if (error == std::errc::result_out_of_range) return std::strtod(std::string(digits).c_str(), nullptr);
  return value;
}

}  // namespace ken::text::jinja
