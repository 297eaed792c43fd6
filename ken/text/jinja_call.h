// Calls of functions, filters and tests: the arguments, and the tables of what a template can name. Private to text/.
#pragma once
#include <functional>
#include <initializer_list>
#include <optional>

#include "ken/text/jinja_value.h"

namespace ken::text::jinja {

struct Call {
  std::vector<Value> positional;
  std::vector<std::pair<std::string, Value>> named;
};

// A call's arguments under the names of a function's parameters; throws for one too many or one unknown.
class Arguments {
 public:
  Arguments(std::string_view function, const Call& call, std::initializer_list<std::string_view> parameters);
  bool has(size_t i) const { return values_[i] != nullptr; }
  const Value& at(size_t i) const;  // throws when it is missing
  Value get(size_t i, Value standard) const { return has(i) ? *values_[i] : std::move(standard); }
  bool flag(size_t i, bool standard) const { return has(i) ? truth(*values_[i]) : standard; }
  int64_t integer(size_t i) const;
  int64_t integer(size_t i, int64_t standard) const { return has(i) ? integer(i) : standard; }
  const std::string& text(size_t i) const;
  std::optional<std::string> optional_text(size_t i) const;  // None and missing give none

 private:
  std::string_view function_;
  std::vector<std::string_view> parameters_;
  std::vector<const Value*> values_;
};

using Function = std::function<Value(Interpreter&, const Call&)>;
Value make_function(std::string name, Function function, size_t depth = 1);

using Filter = Value (*)(Interpreter&, const Value&, const Call&);
using FilterTable = std::unordered_map<std::string_view, Filter>;
const FilterTable& text_filters();
const FilterTable& number_filters();
const FilterTable& sequence_filters();
const FilterTable& selection_filters();
bool has_filter(std::string_view name);
Value apply_filter(std::string_view name, Interpreter& interpreter, const Value& value, const Call& call);
bool apply_test(std::string_view name, const Value& value, const Call& call);  // value is name(arguments)

// A method of a string, dict, list or tuple as a value that can be called; nothing when there is none of the name.
std::optional<Value> method(const Value& self, std::string_view name);

class Namespace final : public Object {
 public:
  std::string_view type() const override { return "Namespace"; }
  Value get(std::string_view name) const override;
  Dict members;
};
Value make_dict(Interpreter& interpreter, const Call& call);  // dict(mapping or pairs, **named)
// The functions of every template: range, dict, cycler, raise_exception.
const std::vector<std::pair<std::string_view, Value>>& global_functions();

std::string to_json(const Value& value, const Call& call);
Value from_json(const Json& json);
Value format_text(const std::string& format, const Call& call);  // str.format
std::string format_time(const std::tm& time, const std::string& format);

}  // namespace ken::text::jinja
