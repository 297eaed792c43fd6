// Filters of text and numbers.
#include <algorithm>
#include <cmath>

#include "ken/text/jinja_call.h"
#include "ken/text/jinja_strings.h"

namespace ken::text::jinja {
namespace {

template <std::string (*convert)(std::string_view)>
Value letters_changed(Interpreter&, const Value& value, const Call& call) {
  const Arguments arguments("filter", call, {});
  const Value text = to_text(value);
  step_bytes(text.text().size() * 16);
  return Value(convert(text.text()), text.markup());
}

// Unlike str.title(), words begin after white space, "-" and opening brackets only.
std::string title_words(std::string_view text) {
  std::string out;
  std::string_view rest = text;
  const auto starts_word = [](char32_t c) {
    return is_space(c) || c == '-' || c == '(' || c == '{' || c == '[' || c == '<';
  };
  while (!rest.empty()) {
    size_t end = 0, length = 0;
    while (end < rest.size() && !starts_word(character(rest, end, length))) end += length;
    const size_t first = byte_of(rest.substr(0, end), 1);
    out += upper(rest.substr(0, first)) + lower(rest.substr(first, end - first));
    size_t next = end;
    while (next < rest.size() && starts_word(character(rest, next, length))) next += length;
    out += rest.substr(end, next - end);
    rest = rest.substr(next);
  }
  return out;
}

Value trim(Interpreter&, const Value& value, const Call& call) {
  const Arguments arguments("trim", call, {"chars"});
  const Value text = to_text(value);
  step_bytes(text.text().size());
  const auto set = arguments.optional_text(0);
  if (set) step(set->size() / 64 * (1 + text.text().size() / 64));
  return Value(std::string(strip(text.text(), set, Side::both)), text.markup());
}

Value replace_filter(Interpreter&, const Value& value, const Call& call) {
  const Arguments arguments("replace", call, {"old", "new", "count"});
  const Value text = to_text(value);
  step_search(text.text(), to_text(arguments.at(0)).text());
  const int64_t count = arguments.has(2) && !arguments.at(2).is_none() ? arguments.integer(2) : -1;
  std::string out = replace(text.text(), to_text(arguments.at(0)).text(), to_text(arguments.at(1)).text(), count);
  return out;
}

Value indent(Interpreter&, const Value& value, const Call& call) {
  const Arguments arguments("indent", call, {"width", "first", "blank"});
  const Value width = arguments.get(0, 4);
  if (!width.is_text() && arguments.has(0) && arguments.integer(0) > 0) check_text(size_t(arguments.integer(0)));
  const std::string margin =
      width.is_text() ? width.text() : std::string(size_t(std::max<int64_t>(0, width.integer())), ' ');
  const Value text = to_text(value);
  step_bytes(text.text().size() * 4);
  std::string out;
  const auto lines = split_lines(text.text() + "\n", false);
  for (size_t i = 0; i < lines.size(); ++i) {
    if (i) out += '\n';
    if (i ? arguments.flag(2, false) || !lines[i].empty() : arguments.flag(1, false)) out += margin;
    out += lines[i];
    check_text(out.size());
  }
  return Value(std::move(out), text.markup());
}

Value center(Interpreter& interpreter, const Value& value, const Call& call) {
  const Arguments arguments("center", call, {"width"});
  return method(to_text(value), "center")->object().call(interpreter, {{arguments.get(0, 80)}, {}});
}

Value format_filter(Interpreter&, const Value& value, const Call& call) {
  if (!call.positional.empty() && !call.named.empty())
    fault("can't handle positional and keyword arguments at the same time");
  if (call.named.empty()) return percent(to_text(value), make_list(call.positional, Form::tuple));
  auto dict = std::make_shared<Dict>();
  for (const auto& [name, argument] : call.named) dict->set(Value(name), argument);
  return percent(to_text(value), DictRef(std::move(dict)));
}

Value truncate(Interpreter&, const Value& value, const Call& call) {
  const Arguments arguments("truncate", call, {"length", "killwords", "end", "leeway"});
  const Value text = to_text(value);
  const std::string end = arguments.has(2) ? arguments.text(2) : "...";
  const int64_t most = arguments.integer(0, 255), leeway = arguments.integer(3, 5);
  const int64_t kept = most - int64_t(characters(end));
  step_bytes(text.text().size());
  if (kept < 0) fault("truncate(): the length must be at least that of the end");
  if (leeway < 0) fault("truncate(): the leeway must not be negative");
  if (__int128(characters(text.text())) <= __int128(most) + leeway) return text;
  std::string cut = text.text().substr(0, byte_of(text.text(), size_t(kept)));
  if (!arguments.flag(1, false)) cut = cut.substr(0, std::min(cut.rfind(' '), cut.size()));
  return cut + end;
}

Value word_count(Interpreter&, const Value& value, const Call& call) {
  const Arguments arguments("wordcount", call, {});
  const Value text = to_text(value);
  step_bytes(text.text().size() * 4);
  int64_t count = 0;
  bool inside = false;
  const std::string_view all = text.text();
  for (size_t at = 0, length = 0; at < all.size(); at += length) {
    character(all, at, length);
    const std::string_view part = all.substr(at, length);
    const bool word = part == "_" || all_are(part, "isalnum");
    count += word && !inside;
    inside = word;
  }
  return count;
}

Value url_encode(Interpreter&, const Value& value, const Call& call) {
  const Arguments arguments("urlencode", call, {});
  if (value.is_dict() || value.is_list()) fault("urlencode() of a {} is not supported", type_name(value));
  const Value text = to_text(value);
  step_bytes(text.text().size() * 4);
  std::string out;
  for (const char c : text.text()) {
    const bool plain =
        std::isalnum(static_cast<unsigned char>(c)) || std::string_view("_.-~/").find(c) != std::string_view::npos;
    out += plain ? std::string(1, c) : fmt::format("%{:02X}", uint8_t(c));
  }
  return out;
}

Value absolute(Interpreter&, const Value& value, const Call& call) {
  const Arguments arguments("abs", call, {});
  if (value.is<double>()) return std::fabs(value.number());
  require_defined(value);
  if (!value.is_integer()) fault("bad operand type for abs(): '{}'", type_name(value));
  return value.integer() < 0 ? negate(value) : Value(value.integer());
}

Value to_integer(double number, const Value& standard) {
  return std::isfinite(number) && std::fabs(number) < 9.2e18 ? Value(int64_t(number)) : standard;
}

Value integer(Interpreter&, const Value& value, const Call& call) {
  const Arguments arguments("int", call, {"default", "base"});
  const Value standard = arguments.get(0, 0);
  require_defined(value);
  if (value.is_integer()) return value.integer();
  if (value.is<double>()) return to_integer(value.number(), standard);
  if (!value.is_text()) return standard;
  const int64_t base = arguments.integer(1, 10);
  if (base != 0 && (base < 2 || base > 36)) return standard;
  step_bytes(value.text().size());
  if (const auto found = parse_integer(value.text(), int(base))) return *found;
  const auto found = parse_float(value.text());
  return found ? to_integer(*found, standard) : standard;
}

Value real(Interpreter&, const Value& value, const Call& call) {
  const Arguments arguments("float", call, {"default"});
  require_defined(value);
  if (value.is_number()) return value.number();
  const auto found = value.is_text() ? parse_float(value.text()) : std::nullopt;
  return found ? Value(*found) : arguments.get(0, 0.0);
}

// Python's round(): exact in the decimal digits of the number, ties to even.
double rounded(double value, int64_t digits) {
  if (!std::isfinite(value) || digits > 300) return value;
  if (digits >= 0) return parse_float(fmt::format("{:.{}f}", value, digits)).value_or(value);
  const double unit = std::pow(10.0, double(-std::max<int64_t>(digits, -400)));
  return std::isfinite(unit) ? std::nearbyint(value / unit) * unit : 0.0;
}

Value round_filter(Interpreter&, const Value& value, const Call& call) {
  const Arguments arguments("round", call, {"precision", "method"});
  const std::string how = arguments.has(1) ? arguments.text(1) : "common";
  const int64_t digits = arguments.integer(0, 0);
  require_defined(value);
  if (!value.is_number()) fault("round(): {} is no number", type_name(value));
  if (how != "common" && how != "ceil" && how != "floor") fault("method must be common, ceil or floor");
  if (how == "common") {
    if (!value.is_integer()) return rounded(value.number(), digits);
    return digits >= 0 ? Value(value.integer()) : to_integer(rounded(value.number(), digits), 0);
  }
  const double unit = std::pow(10.0, double(digits)), scaled = value.number() * unit;
  return (how == "ceil" ? std::ceil(scaled) : std::floor(scaled)) / unit;
}

}  // namespace

const FilterTable& text_filters() {
  static const FilterTable table{
      {"upper", letters_changed<upper>},
      {"lower", letters_changed<lower>},
      {"capitalize", letters_changed<capitalize>},
      {"title", letters_changed<title_words>},
      {"trim", trim},
      {"replace", replace_filter},
      {"indent", indent},
      {"center", center},
      {"format", format_filter},
      {"truncate", truncate},
      {"wordcount", word_count},
      {"urlencode", url_encode},
      {"string", [](Interpreter&, const Value& value, const Call&) { return to_text(value); }},
      {"safe", [](Interpreter&, const Value& value, const Call&) { return Value(to_text(value).text(), true); }},
      {"e", [](Interpreter&, const Value& value, const Call&) { return escape(value); }},
      {"escape", [](Interpreter&, const Value& value, const Call&) { return escape(value); }},
      {"forceescape",
       [](Interpreter&, const Value& value, const Call&) { return Value(html_escape(to_text(value).text()), true); }},
      {"tojson", [](Interpreter&, const Value& value, const Call& call) -> Value { return to_json(value, call); }},
  };
  return table;
}

const FilterTable& number_filters() {
  static const FilterTable table{{"abs", absolute}, {"int", integer}, {"float", real}, {"round", round_filter}};
  return table;
}

}  // namespace ken::text::jinja
