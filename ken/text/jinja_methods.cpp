// Methods of strings, dicts, lists and tuples: those of Python that change nothing.
#include <algorithm>

#include "ken/text/jinja_call.h"
#include "ken/text/jinja_strings.h"

namespace ken::text::jinja {
namespace {

using Method = Value (*)(const Value& self, const Call& call);
using MethodTable = std::unordered_map<std::string_view, Method>;

Value texts(const std::vector<std::string>& parts) {
  step(parts.size());
  std::vector<Value> values;
  for (const auto& part : parts) values.emplace_back(part);
  return make_list(std::move(values));
}

// A method without arguments that gives the string in another form.
template <std::string (*convert)(std::string_view)>
Value converted(const Value& self, const Call& call) {
  const Arguments arguments("str method", call, {});
  step_bytes(self.text().size() * 16);
  return Value(convert(self.text()), self.markup());
}

template <Side side>
Value stripped(const Value& self, const Call& call) {
  const Arguments arguments("strip", call, {"chars"});
  step_bytes(self.text().size());
  const auto set = arguments.optional_text(0);
  if (set) step(set->size() / 64 * (1 + self.text().size() / 64));
  return Value(std::string(strip(self.text(), set, side)), self.markup());
}

template <bool from_right>
Value split_text(const Value& self, const Call& call) {
  const Arguments arguments("split", call, {"sep", "maxsplit"});
  const auto separator = arguments.optional_text(0);
  const int64_t most = arguments.integer(1, -1);
  step_search(self.text(), separator.value_or(" "));
  Charge charge(self.text().size() * 4);
  return texts(from_right ? split_right(self.text(), separator, most) : split(self.text(), separator, most));
}

Value lines(const Value& self, const Call& call) {
  const Arguments arguments("splitlines", call, {"keepends"});
  step_bytes(self.text().size() * 4);
  Charge charge(self.text().size() * 4);
  return texts(split_lines(self.text(), arguments.flag(0, false)));
}

// The part between two positions in characters, for startswith, find and their kin.
std::string_view window(const std::string& text, const Arguments& arguments, size_t& first) {
  first = 0;
  step_bytes(text.size());
  if (!arguments.has(1) && !arguments.has(2)) return text;
  const auto size = int64_t(characters(text));
  const auto bound = [&](size_t i, int64_t standard) {
    if (!arguments.has(i) || arguments.at(i).is_none()) return standard;
    const int64_t at = arguments.integer(i);
    return std::clamp(at < 0 ? std::max(at, -size) + size : at, int64_t{0}, size + 1);
  };
  const int64_t begin = bound(1, 0), end = std::min(bound(2, size), size);
  if (begin > end) return {};
  first = size_t(begin);
  const size_t from = byte_of(text, size_t(begin));
  const std::string_view rest = std::string_view(text).substr(from);
  return rest.substr(0, byte_of(rest, size_t(end - begin)));
}

template <bool at_start>
Value begins_or_ends(const Value& self, const Call& call) {
  const Arguments arguments(at_start ? "startswith" : "endswith", call, {"prefix", "start", "end"});
  size_t first = 0;
  const std::string_view part = window(self.text(), arguments, first);
  const Value& wanted = arguments.at(0);
  const auto fits = [&](const Value& value) {
    if (!value.is_text())
      fault("{} first arg must be str or a tuple of str, not {}", at_start ? "startswith" : "endswith",
            (require_defined(value), type_name(value)));
    step_bytes(value.text().size());
    return at_start ? part.starts_with(value.text()) : part.ends_with(value.text());
  };
  if (!wanted.is_list() || wanted.list().form != Form::tuple) return fits(wanted);
  const auto& items = wanted.list().items;
  return std::any_of(items.begin(), items.end(), fits);
}

template <bool from_right, bool must>
Value find_text(const Value& self, const Call& call) {
  const Arguments arguments("find", call, {"sub", "start", "end"});
  size_t first = 0;
  const std::string_view part = window(self.text(), arguments, first);
  const std::string& wanted = arguments.text(0);
  step_search(part, wanted);
  const size_t at = from_right ? part.rfind(wanted) : part.find(wanted);
  if (at != part.npos && part.data()) return int64_t(first + characters(part.substr(0, at)));
  if (must) fault("substring not found");
  return -1;
}

Value count_text(const Value& self, const Call& call) {
  const Arguments arguments("count", call, {"sub", "start", "end"});
  size_t first = 0;
  const std::string_view part = window(self.text(), arguments, first);
  const std::string& wanted = arguments.text(0);
  step_search(part, wanted);
  if (wanted.empty()) return int64_t(characters(part)) + 1;
  int64_t count = 0;
  for (size_t at = part.find(wanted); at != part.npos; at = part.find(wanted, at + wanted.size())) ++count;
  return count;
}

Value replace_text(const Value& self, const Call& call) {
  const Arguments arguments("replace", call, {"old", "new", "count"});
  step_search(self.text(), arguments.text(0));
  const std::string to = self.markup() ? escape(arguments.at(1)).text() : arguments.text(1);
  std::string out = replace(self.text(), arguments.text(0), to, arguments.integer(2, -1));
  return Value(std::move(out), self.markup());
}

Value join_text(const Value& self, const Call& call) {
  const Arguments arguments("join", call, {"iterable"});
  std::string out;
  bool first = true;
  for (const Value& item : iterate(arguments.at(0))) {
    if (!item.is_text()) fault("sequence item: expected str instance, {} found", type_name(item));
    if (!std::exchange(first, false)) out += self.text();
    out += self.markup() ? escape(item).text() : item.text();
    step_bytes(self.text().size() + item.text().size());
    check_text(out.size());
  }
  return Value(std::move(out), self.markup());
}

template <bool from_right>
Value partition(const Value& self, const Call& call) {
  const Arguments arguments("partition", call, {"sep"});
  const std::string &text = self.text(), &mark = arguments.text(0);
  if (mark.empty()) fault("empty separator");
  step_search(text, mark);
  const size_t at = from_right ? text.rfind(mark) : text.find(mark);
  if (at == text.npos)
    return make_list(from_right ? std::vector<Value>{"", "", text} : std::vector<Value>{text, "", ""}, Form::tuple);
  return make_list({text.substr(0, at), mark, text.substr(at + mark.size())}, Form::tuple);
}

template <bool prefix>
Value without(const Value& self, const Call& call) {
  const Arguments arguments(prefix ? "removeprefix" : "removesuffix", call, {"part"});
  const std::string &text = self.text(), &part = arguments.text(0);
  const bool has = prefix ? text.starts_with(part) : text.ends_with(part);
  return has ? Value(text.substr(prefix ? part.size() : 0, text.size() - part.size())) : self;
}

enum class Pad { left, right, center };
template <Pad pad>
Value justified(const Value& self, const Call& call) {
  const Arguments arguments("ljust", call, {"width", "fillchar"});
  const std::string fill = arguments.has(1) ? arguments.text(1) : " ";
  if (characters(fill) != 1) fault("The fill character must be exactly one character long");
  const auto size = int64_t(characters(self.text())), width = arguments.integer(0);
  if (width <= size) return self;
  const int64_t missing = width - size;
  check_text(self.text().size() + size_t(missing) * fill.size());
  step_bytes(size_t(missing) * 8);
  // Python puts the odd blank of a centred text to the left when the width is odd.
  const int64_t before = pad == Pad::left ? 0 : pad == Pad::right ? missing : missing / 2 + (missing & width & 1);
  std::string out;
  for (int64_t i = 0; i < before; ++i) out += fill;
  out += self.text();
  for (int64_t i = before; i < missing; ++i) out += fill;
  return out;
}

Value zero_filled(const Value& self, const Call& call) {
  const Arguments arguments("zfill", call, {"width"});
  const auto size = int64_t(characters(self.text())), width = arguments.integer(0);
  if (width <= size) return self;
  check_text(size_t(width));
  std::string out = self.text();
  const bool has_sign = !out.empty() && (out[0] == '-' || out[0] == '+');
  return out.insert(has_sign ? 1 : 0, size_t(width - size), '0');
}

Value formatted(const Value& self, const Call& call) { return format_text(self.text(), call); }

const MethodTable& text_methods() {
  static const MethodTable table{
      {"upper", converted<upper>},
      {"lower", converted<lower>},
      {"casefold", converted<lower>},
      {"capitalize", converted<capitalize>},
      {"title", converted<title>},
      {"swapcase", converted<swap_case>},
      {"strip", stripped<Side::both>},
      {"lstrip", stripped<Side::left>},
      {"rstrip", stripped<Side::right>},
      {"split", split_text<false>},
      {"rsplit", split_text<true>},
      {"splitlines", lines},
      {"startswith", begins_or_ends<true>},
      {"endswith", begins_or_ends<false>},
      {"find", find_text<false, false>},
      {"rfind", find_text<true, false>},
      {"index", find_text<false, true>},
      {"rindex", find_text<true, true>},
      {"count", count_text},
      {"replace", replace_text},
      {"join", join_text},
      {"partition", partition<false>},
      {"rpartition", partition<true>},
      {"removeprefix", without<true>},
      {"removesuffix", without<false>},
      {"ljust", justified<Pad::left>},
      {"rjust", justified<Pad::right>},
      {"center", justified<Pad::center>},
      {"zfill", zero_filled},
      {"format", formatted},
  };
  return table;
}

Value view(const Value& self, Form form) {
  std::vector<Value> items;
  step(1 + self.dict().items.size() / 4);
  for (const auto& [key, value] : self.dict().items) {
    if (form == Form::items) {
      items.push_back(make_list({key, value}, Form::tuple));
    } else {
      items.push_back(form == Form::keys ? key : value);
    }
  }
  return make_list(std::move(items), form);
}

template <Form form>
Value dict_view(const Value& self, const Call& call) {
  const Arguments arguments("dict method", call, {});
  return view(self, form);
}

const MethodTable& dict_methods() {
  static const MethodTable table{
      {"keys", dict_view<Form::keys>},
      {"values", dict_view<Form::values>},
      {"items", dict_view<Form::items>},
      {"copy", [](const Value& self, const Call&) { return self; }},
      {"get",
       [](const Value& self, const Call& call) {
         const Arguments arguments("get", call, {"key", "default"});
         const Value* found = self.dict().find(arguments.at(0));
         return found ? *found : arguments.get(1, Value());
       }},
  };
  return table;
}

const MethodTable& list_methods() {
  static const MethodTable table{
      {"count",
       [](const Value& self, const Call& call) -> Value {
         const Arguments arguments("count", call, {"value"});
         const auto& items = self.list().items;
         return int64_t(std::count_if(items.begin(), items.end(), [&](auto& x) { return equal(x, arguments.at(0)); }));
       }},
      {"index",
       [](const Value& self, const Call& call) -> Value {
         const Arguments arguments("index", call, {"value"});
         const auto& items = self.list().items;
         for (size_t i = 0; i < items.size(); ++i)
           if (equal(items[i], arguments.at(0))) return int64_t(i);
         fault("the value is not in the list");
       }},
  };
  return table;
}

bool changes(const Value& self, std::string_view name) {
  static constexpr std::string_view of_list[] = {"append", "clear",   "extend", "insert",
                                                 "pop",    "reverse", "remove", "sort"};
  static constexpr std::string_view of_dict[] = {"clear", "pop", "popitem", "setdefault", "update"};
  if (self.is_dict()) return std::find(std::begin(of_dict), std::end(of_dict), name) != std::end(of_dict);
  if (!self.is_list() || self.list().form != Form::list) return false;
  return std::find(std::begin(of_list), std::end(of_list), name) != std::end(of_list);
}

// isalpha and its kin, which all take nothing and give a truth.
bool asks(std::string_view name) {
  static constexpr std::string_view names[] = {"isalnum",   "isalpha",     "isascii", "isdecimal", "isdigit", "islower",
                                               "isnumeric", "isprintable", "isspace", "istitle",   "isupper"};
  return std::find(std::begin(names), std::end(names), name) != std::end(names);
}

Value bound(const Value& self, std::string_view name, Function function) {
  return make_function(std::string(name), std::move(function), self.depth() + 1);
}

}  // namespace

std::optional<Value> method(const Value& self, std::string_view name) {
  if (changes(self, name))
    return undefined(fmt::format("access to attribute '{}' of '{}' object is unsafe.", name, type_name(self)));
  if (self.is_text() && asks(name)) {
    return bound(self, name, [self, name = std::string(name)](Interpreter&, const Call& call) -> Value {
      const Arguments arguments(name, call, {});
      step_bytes(self.text().size() * 4);
      return all_are(self.text(), name);
    });
  }
  if (!self.is_text() && !self.is_dict() && !(self.is_list() && self.list().form <= Form::range)) return std::nullopt;
  const MethodTable& table = self.is_text() ? text_methods() : self.is_dict() ? dict_methods() : list_methods();
  const auto found = table.find(name);
  if (found == table.end()) return std::nullopt;
  return bound(self, name, [self, run = found->second](Interpreter&, const Call& call) { return run(self, call); });
}

}  // namespace ken::text::jinja
