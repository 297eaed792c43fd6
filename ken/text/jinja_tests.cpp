// Tests: what may follow `is`.
#include "ken/text/jinja_call.h"
#include "ken/text/jinja_strings.h"

namespace ken::text::jinja {
namespace {

using Test = bool (*)(const Value&);
using Comparison = bool (*)(const Value&, const Value&);

bool divides(const Value& value, const Value& by) { return !truth(binary("%", value, by)); }

bool is_sequence(const Value& value) {
  return value.is_undefined() || value.is_text() || value.is_dict() ||
         (value.is_list() && value.list().form <= Form::range);
}

const std::unordered_map<std::string_view, Test>& plain_tests() {
  static const std::unordered_map<std::string_view, Test> table{
      {"defined", [](const Value& v) { return !v.is_undefined(); }},
      {"undefined", [](const Value& v) { return v.is_undefined(); }},
      {"none", [](const Value& v) { return v.is_none(); }},
      {"string", [](const Value& v) { return v.is_text(); }},
      {"number", [](const Value& v) { return v.is_number(); }},
      {"integer", [](const Value& v) { return v.is<int64_t>(); }},
      {"float", [](const Value& v) { return v.is<double>(); }},
      {"boolean", [](const Value& v) { return v.is<bool>(); }},
      {"true", [](const Value& v) { return v.is<bool>() && truth(v); }},
      {"false", [](const Value& v) { return v.is<bool>() && !truth(v); }},
      {"mapping", [](const Value& v) { return v.is_dict(); }},
      {"sequence", is_sequence},
      {"iterable", iterable},
      {"callable", [](const Value& v) { return v.is_undefined() || (v.is<ObjectRef>() && v.object().callable()); }},
      {"escaped", [](const Value& v) { return v.markup(); }},
      {"lower", [](const Value& v) { return all_are(to_text(v).text(), "islower"); }},
      {"upper", [](const Value& v) { return all_are(to_text(v).text(), "isupper"); }},
      {"odd", [](const Value& v) { return !divides(v, 2); }},
      {"even", [](const Value& v) { return divides(v, 2); }},
      {"filter", [](const Value& v) { return v.is_text() && has_filter(v.text()); }},
  };
  return table;
}

const std::unordered_map<std::string_view, Comparison>& comparisons() {
  static const Comparison differ = [](const Value& a, const Value& b) { return !equal(a, b); };
  static const Comparison below = [](const Value& a, const Value& b) { return less(a, b, "<"); };
  static const Comparison above = [](const Value& a, const Value& b) { return less(b, a, ">"); };
  static const Comparison at_most = [](const Value& a, const Value& b) { return less(a, b, "<=") || equal(a, b); };
  static const Comparison at_least = [](const Value& a, const Value& b) { return less(b, a, ">=") || equal(a, b); };
  static const std::unordered_map<std::string_view, Comparison> table{
      {"eq", equal},
      {"equalto", equal},
      {"==", equal},
      {"ne", differ},
      {"!=", differ},
      {"lt", below},
      {"lessthan", below},
      {"<", below},
      {"gt", above},
      {"greaterthan", above},
      {">", above},
      {"le", at_most},
      {"<=", at_most},
      {"ge", at_least},
      {">=", at_least},
      {"divisibleby", divides},
      {"in", [](const Value& v, const Value& all) { return contains(all, v); }},
      {"sameas", [](const Value& v, const Value& other) { return v.same(other); }},
  };
  return table;
}

}  // namespace

bool apply_test(std::string_view name, const Value& value, const Call& call) {
  if (const auto found = plain_tests().find(name); found != plain_tests().end()) {
    const Arguments none(name, call, {});
    return found->second(value);
  }
  if (const auto found = comparisons().find(name); found != comparisons().end())
    return found->second(value, Arguments(name, call, {"other"}).at(0));
  if (name == "test")
    return value.is_text() && (plain_tests().contains(value.text()) || comparisons().contains(value.text()));
  fault("no test named '{}'", name.substr(0, 80));
}

}  // namespace ken::text::jinja
