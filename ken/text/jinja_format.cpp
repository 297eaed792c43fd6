// Formatting: the % operator of strings, str.format and strftime.
#include <cmath>

#include "ken/text/jinja_call.h"
#include "ken/text/jinja_strings.h"

namespace ken::text::jinja {
namespace {

constexpr int64_t longest_field = 4096;

// One conversion of a % format: %(key)flags width .precision type
struct Conversion {
  std::optional<std::string> key;
  std::string flags;
  int64_t width = 0, precision = -1;
  char type = 0;
  bool has(char flag) const { return flags.find(flag) != std::string::npos; }
};

int64_t read_number(std::string_view text, size_t& at) {
  int64_t value = 0;
  for (; at < text.size() && text[at] >= '0' && text[at] <= '9'; ++at) {
    value = value * 10 + (text[at] - '0');
    if (value > longest_field) fault("a format field of more than {} characters (limit: text)", longest_field);
  }
  return value;
}

Conversion read_conversion(std::string_view text, size_t& at) {
  Conversion result;
  if (at < text.size() && text[at] == '(') {
    const size_t close = text.find(')', at);
    if (close == text.npos) fault("incomplete format key");
    result.key = text.substr(at + 1, close - at - 1);
    at = close + 1;
  }
  while (at < text.size() && std::string_view("#0- +").find(text[at]) != std::string_view::npos)
    result.flags += text[at++];
  result.width = read_number(text, at);
  if (at < text.size() && text[at] == '.') result.precision = read_number(text, ++at);
  if (at >= text.size()) fault("incomplete format");
  result.type = text[at++];
  return result;
}

std::string pad(std::string text, const Conversion& c, bool number) {
  const int64_t missing = c.width - int64_t(characters(text));
  if (missing <= 0) return text;
  if (c.has('-')) return text.append(size_t(missing), ' ');
  if (!number || !c.has('0')) return text.insert(0, size_t(missing), ' ');
  const bool has_sign = !text.empty() && (text[0] == '-' || text[0] == '+' || text[0] == ' ');
  return text.insert(has_sign ? 1 : 0, size_t(missing), '0');
}

std::string signed_text(bool negative, std::string digits, const Conversion& c) {
  return (negative ? "-" : c.has('+') ? "+" : c.has(' ') ? " " : "") + digits;
}

std::string convert_number(const Value& value, const Conversion& c) {
  require_defined(value);
  if (!value.is_number()) fault("%{} format: a real number is required, not {}", c.type, type_name(value));
  const bool is_integer = std::string_view("diuxXo").find(c.type) != std::string_view::npos;
  if (!is_integer) {
    const double number = value.number();
    const int places = int(c.precision < 0 ? 6 : c.precision);
    const std::string kind(1, c.type);
    const std::string spec = "{:" + std::string(c.has('#') ? "#" : "") + ".{}" + kind + "}";
    return signed_text(std::signbit(number), fmt::format(fmt::runtime(spec), std::fabs(number), places), c);
  }
  if (value.is<double>() && (c.type == 'x' || c.type == 'X' || c.type == 'o'))
    fault("%{} format: an integer is required, not float", c.type);
  if (value.is<double>() && !(std::fabs(value.number()) < 9.2e18))
    fault("cannot convert {} to an integer", value.number());
  const int64_t number = value.is<double>() ? int64_t(value.number()) : value.integer();
  const uint64_t size = number < 0 ? -uint64_t(number) : uint64_t(number);
  std::string digits = c.type == 'x'   ? fmt::format("{:x}", size)
                       : c.type == 'X' ? fmt::format("{:X}", size)
                       : c.type == 'o' ? fmt::format("{:o}", size)
                                       : fmt::format("{}", size);
  if (int64_t(digits.size()) < c.precision) digits.insert(0, size_t(c.precision) - digits.size(), '0');
  return signed_text(number < 0, digits, c);
}

std::string convert(const Value& value, const Conversion& c) {
  switch (c.type) {
    case 's':
    case 'r':
    case 'a': {
      std::string text;
      c.type == 's' ? append_text(text, value) : append_repr(text, value);
      if (c.precision >= 0) text = text.substr(0, byte_of(text, size_t(c.precision)));
      return pad(std::move(text), c, false);
    }
    case 'c':
      if (value.is_text() && characters(value.text()) == 1) return pad(value.text(), c, false);
      if (value.is_integer() && value.integer() >= 0 && value.integer() < 0xD800)
        return pad(utf8(char32_t(value.integer())), c, false);
      fault("%c requires int or char");
    case 'd':
    case 'i':
    case 'u':
    case 'x':
    case 'X':
    case 'o':
    case 'e':
    case 'E':
    case 'f':
    case 'F':
    case 'g':
    case 'G':
      return pad(convert_number(value, c), c, true);
    default:
      fault("unsupported format character '{}'", c.type);
  }
}

// The field of str.format at `at`: a name or number, which may be empty; attributes and specifications are not read.
std::string read_field(const std::string& format, size_t& at) {
  const size_t close = format.find('}', at);
  if (close == std::string::npos) fault("expected '}}' before end of string");
  const std::string field = format.substr(at, close - at);
  if (field.find_first_of("{.[:!") != std::string::npos)
    fault("the field {{{}}} of str.format is not supported; only names and numbers are", field.substr(0, 40));
  at = close + 1;
  return field;
}

const Value& field_value(const std::string& field, const Call& call, size_t& next) {
  const bool number = field.find_first_not_of("0123456789") == std::string::npos && field.size() < 6;
  if (number) {
    const size_t index = field.empty() ? next++ : size_t(std::stoi(field));
    if (index >= call.positional.size()) fault("Replacement index {} out of range for positional args tuple", index);
    return call.positional[index];
  }
  for (const auto& [name, value] : call.named)
    if (name == field) return value;
  fault("str.format: there is no argument '{}'", field.substr(0, 40));
}

}  // namespace

Value percent(const Value& format, const Value& operand) {
  const std::string& text = format.text();
  const bool tuple = operand.is_list() && operand.list().form == Form::tuple;
  size_t next = 0;
  const auto take = [&]() -> const Value& {
    if (tuple ? next >= operand.list().items.size() : next > 0) fault("not enough arguments for format string");
    return tuple ? operand.list().items[next++] : (++next, operand);
  };
  step_bytes(text.size() * 4);
  std::string out;
  for (size_t at = 0; at < text.size();) {
    if (text[at] != '%') {
      out += text[at++];
      continue;
    }
    const Conversion c = read_conversion(text, ++at);
    if (c.type == '%') {
      out += '%';
      continue;
    }
    if (c.key && !operand.is_dict()) fault("format requires a mapping");
    const Value* value = c.key ? operand.dict().find(std::string_view(*c.key)) : &take();
    if (!value) fault("the format's key '{}' is not in the mapping", c.key->substr(0, 40));
    const std::string part = convert(*value, c);
    out += format.markup() ? html_escape(part) : part;
    step_bytes(part.size());
    check_text(out.size());
  }
  if (tuple ? next < operand.list().items.size() : next == 0 && !operand.is_dict() && !operand.is_list())
    fault("not all arguments converted during string formatting");
  return Value(std::move(out), format.markup());
}

Value format_text(const std::string& format, const Call& call) {
  std::string out;
  size_t next = 0;
  step_bytes(format.size() * 4);
  for (size_t at = 0; at < format.size();) {
    const char c = format[at++];
    const bool doubled = at < format.size() && format[at] == c;
    if ((c == '{' || c == '}') && doubled) {
      out += c;
      ++at;
    } else if (c == '{') {
      append_text(out, field_value(read_field(format, at), call, next));
    } else if (c == '}') {
      fault("Single '}}' encountered in format string");
    } else {
      out += c;
    }
    check_text(out.size());
  }
  return out;
}

std::string format_time(const std::tm& time, const std::string& format) {
  static constexpr std::string_view known = "aAbBcCdDeFgGhHIjklmMnpPrRsStTuUVwWxXyY%";
  std::string out;
  step_bytes(format.size() * 16);
  for (size_t at = 0; at < format.size(); ++at) {
    if (format[at] != '%' || at + 1 == format.size()) {
      out += format[at];
      continue;
    }
    std::string part = "%";
    if (std::string_view("-_0^#").find(format[at + 1]) != std::string_view::npos && at + 2 < format.size())
      part += format[++at];
    const char c = format[++at];
    part += c;
    if (c == 'z' || c == 'Z') continue;  // datetime.now() has no time zone
    char text[128] = "";
    std::tm copy = time;
    if (c == 'f') {
      out += "000000";
    } else if (known.find(c) == known.npos) {
      out += part;
    } else {
      out.append(text, std::strftime(text, sizeof text, part.c_str(), &copy));
    }
    check_text(out.size());
  }
  return out;
}

}  // namespace ken::text::jinja
