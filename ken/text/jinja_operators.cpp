// Operators of values: arithmetic, subscripts, slices and attributes, as Python and Jinja2's sandbox have them.
#include <cmath>

#include "ken/text/jinja_call.h"
#include "ken/text/jinja_strings.h"

namespace ken::text::jinja {
namespace {

[[noreturn]] void overflow() { fault("an integer that does not fit into 64 bits (limit: integers)"); }

// By reference: the operation that fills the value may be done after its copy would be taken.
int64_t checked(bool overflowed, const int64_t& value) {
  if (overflowed) overflow();
  return value;
}

int64_t power(int64_t base, int64_t exponent) {
  int64_t result = 1;
  if (base == 0 || base == 1) return exponent == 0 ? 1 : base;
  if (base == -1) return exponent % 2 ? -1 : 1;
  for (; exponent > 0; --exponent)
    if (__builtin_mul_overflow(result, base, &result)) overflow();
  return result;
}

[[noreturn]] void unsupported(std::string_view op, const Value& a, const Value& b) {
  require_defined(a);
  require_defined(b);
  if (op == "+" && a.is_text()) fault("can only concatenate str (not \"{}\") to str", type_name(b));
  if (op == "+" && a.is_list() && a.list().form <= Form::tuple)
    fault("can only concatenate {0} (not \"{1}\") to {0}", type_name(a), type_name(b));
  if (op == "*" && (a.is_text() || a.is_list())) fault("can't multiply sequence by non-int of type '{}'", type_name(b));
  fault("unsupported operand type(s) for {}: '{}' and '{}'", op == "**" ? "** or pow()" : op, type_name(a),
        type_name(b));
}

Value integers(std::string_view op, int64_t a, int64_t b) {
  int64_t result = 0;
  if (op == "+") return checked(__builtin_add_overflow(a, b, &result), result);
  if (op == "-") return checked(__builtin_sub_overflow(a, b, &result), result);
  if (op == "*") return checked(__builtin_mul_overflow(a, b, &result), result);
  if (op == "**")
    return b >= 0 ? Value(power(a, b)) : a == 0 ? fault("0.0 cannot be raised to a negative power"),
           Value() : Value(std::pow(double(a), double(b)));
  if (b == 0) fault("{}", op == "/" ? "division by zero" : "integer division or modulo by zero");
  if (op == "/") return double(a) / double(b);
  if (b == -1) return op == "%" ? Value(0) : integers("-", 0, a);
  const int64_t rest = a % b, shift = rest != 0 && (rest < 0) != (b < 0);  // Python rounds down
  return op == "%" ? rest + shift * b : a / b - shift;
}

Value floats(std::string_view op, double a, double b) {
  if (op == "+") return a + b;
  if (op == "-") return a - b;
  if (op == "*") return a * b;
  if (op == "**") {
    if (a == 0 && b < 0) fault("0.0 cannot be raised to a negative power");
    if (a < 0 && std::floor(b) != b) fault("a complex number is not supported");
    return std::pow(a, b);
  }
  if (b == 0)
    fault("{}", op == "%" ? "float modulo" : op == "//" ? "float floor division by zero" : "float division by zero");
  if (op == "/") return a / b;
  double rest = std::fmod(a, b);
  if (rest != 0 && (rest < 0) != (b < 0)) rest += b;
  if (op == "%") return rest == 0 ? std::copysign(0.0, b) : rest;
  return std::floor((a - rest) / b + 0.5);
}

Value repeat(const Value& value, int64_t count) {
  const size_t times = count < 0 ? 0 : size_t(count);
  if (value.is_text()) {
    const std::string& text = value.text();
    if (times && text.size() > limits().text / times) check_text(limits().text + 1);
    step_bytes(text.size() * times);
    std::string out;
    out.reserve(text.size() * times);
    if (text.size() == 1) out.assign(times, text[0]);
    while (out.size() < text.size() * times) out += text;
    return Value(std::move(out), value.markup());
  }
  const auto& items = value.list().items;
  if (times && items.size() > limits().memory / sizeof(Value) / times)
    fault("a list repeated {} times takes more than {} bytes (limit: memory)", times, limits().memory);
  Charge charge(items.size() * times * sizeof(Value));
  std::vector<Value> out;
  for (size_t i = 0; i < times; ++i) out.insert(out.end(), items.begin(), items.end());
  return make_list(std::move(out), value.list().form);
}

Value join_texts(const Value& a, const Value& b) {
  const bool markup = a.markup() || b.markup();
  check_text(a.text().size() + b.text().size());
  step_bytes(a.text().size() + b.text().size());
  if (!markup) return a.text() + b.text();
  return Value(escape(a).text() + escape(b).text(), true);
}

bool repeats(const Value& value) { return value.is_text() || (value.is_list() && value.list().form <= Form::tuple); }

// slice.indices() of Python: the first index, the one to stop before and the stride.
struct Range {
  int64_t start, stop, step;
};
Range slice_range(const Value& start, const Value& stop, const Value& step, int64_t size) {
  const auto check = [](const Value& value) {
    require_defined(value);
    if (!value.is_none() && !value.is_integer())
      fault("slice indices must be integers or None or have an __index__ method");
  };
  const auto bound = [&](const Value& value, int64_t standard, bool backwards) {
    check(value);
    if (value.is_none()) return standard;
    const int64_t at = value.integer() < 0 ? std::max(value.integer(), -size - 1) + size : value.integer();
    return std::clamp(at, int64_t{backwards ? -1 : 0}, backwards ? size - 1 : size);
  };
  check(step);
  const int64_t stride = step.is_none() ? 1 : step.integer();
  if (stride == 0) fault("slice step cannot be zero");
  const bool backwards = stride < 0;
  return {bound(start, backwards ? size - 1 : 0, backwards), bound(stop, backwards ? -1 : size, backwards), stride};
}

template <typename Add>
void each_index(const Range& range, Add&& add) {
  if (range.step > 0) {
    for (int64_t i = range.start; i<range.stop; i = range.stop - i> range.step ? i + range.step : range.stop) add(i);
  } else {
    for (int64_t i = range.start; i > range.stop; i = range.stop - i < range.step ? i + range.step : range.stop) add(i);
  }
}

std::string slice_text(const std::string& text, const Value& start, const Value& stop, const Value& stride) {
  step_bytes(text.size());
  const Range range = slice_range(start, stop, stride, int64_t(characters(text)));
  if (range.step == 1) {
    if (range.start >= range.stop) return "";
    const size_t begin = byte_of(text, size_t(range.start));
    const std::string_view rest = std::string_view(text).substr(begin);
    return std::string(rest.substr(0, byte_of(rest, size_t(range.stop - range.start))));
  }
  const Charge charge(text.size() * sizeof(std::string_view));
  const auto parts = split_characters(text);
  std::string out;
  each_index(range, [&](int64_t i) { out += parts[size_t(i)]; });
  return out;
}

Value missing_element(const Value& value, const Value& key) {
  std::string name;
  append_repr(name, key);
  const std::string_view type = value.is_none() ? "None" : type_name(value);
  return undefined(key.is_text()
                       ? fmt::format("'{}{}' has no attribute {}", type, value.is_none() ? "" : " object", name)
                       : fmt::format("{} object has no element {}", type, name));
}

std::optional<Value> element(const Value& value, int64_t index) {
  const int64_t size = int64_t(length(value));
  if (index < -size || index >= size) return std::nullopt;
  const size_t at = size_t(index < 0 ? index + size : index);
  if (value.is_list()) return value.list().items[at];
  const size_t begin = byte_of(value.text(), at);
  return Value(value.text().substr(begin, byte_of(std::string_view(value.text()).substr(begin), 1)), value.markup());
}

}  // namespace

Value binary(std::string_view op, const Value& a, const Value& b) {
  if (a.is_integer() && b.is_integer()) return integers(op, a.integer(), b.integer());
  if (a.is_number() && b.is_number()) return floats(op, a.number(), b.number());
  if (op == "%" && a.is_text()) return percent(a, b);
  if (op == "+" && a.is_text() && b.is_text()) return join_texts(a, b);
  if (op == "+" && repeats(a) && repeats(b) && a.is_list() && b.is_list() && a.list().form == b.list().form) {
    Charge charge((a.list().items.size() + b.list().items.size()) * sizeof(Value));
    std::vector<Value> items = a.list().items;
    items.insert(items.end(), b.list().items.begin(), b.list().items.end());
    return make_list(std::move(items), a.list().form);
  }
  if (op == "*" && repeats(a) && b.is_integer()) return repeat(a, b.integer());
  if (op == "*" && repeats(b) && a.is_integer()) return repeat(b, a.integer());
  unsupported(op, a, b);
}

Value negate(const Value& value) {
  if (value.is_integer()) return integers("-", 0, value.integer());
  if (value.is<double>()) return -value.number();
  require_defined(value);
  fault("bad operand type for unary -: '{}'", type_name(value));
}

Value slice(const Value& value, const Value& start, const Value& stop, const Value& stride) {
  require_defined(value);
  if (value.is_text()) return Value(slice_text(value.text(), start, stop, stride), value.markup());
  if (value.is_dict()) fault("unhashable type: 'slice'");
  if (!value.is_list() || value.list().form > Form::range) return missing_element(value, "slice");
  const auto& items = value.list().items;
  Charge charge(items.size() * sizeof(Value));
  std::vector<Value> out;
  each_index(slice_range(start, stop, stride, int64_t(items.size())),
             [&](int64_t i) { out.push_back(items[size_t(i)]); });
  return make_list(std::move(out), value.list().form);
}

Value subscript(const Value& value, const Value& key) {
  require_defined(value);
  const bool indexed = value.is_text() || (value.is_list() && value.list().form <= Form::range);
  if (indexed && key.is_integer()) {
    if (const auto found = element(value, key.integer())) return *found;
  } else if (value.is_dict() && !key.is_dict() && !(key.is_list() && key.list().form == Form::list)) {
    if (const Value* found = value.dict().find(key)) return *found;
  }
  if (key.is_text() && value.is<ObjectRef>()) return value.object().get(key.text());
  if (key.is_text())
    if (const auto found = method(value, key.text())) return *found;
  return missing_element(value, key);
}

Value attribute(const Value& value, std::string_view name) {
  require_defined(value);
  if (value.is<ObjectRef>()) return value.object().get(name);
  if (auto found = method(value, name)) return std::move(*found);
  if (value.is_dict()) {
    if (const Value* found = value.dict().find(name)) return *found;
  }
  return missing_element(value, Value(name));
}

Value escape(const Value& value) {
  if (value.markup()) return value;
  const Value text = to_text(value);
  step_bytes(text.text().size() * 4);
  return Value(html_escape(text.text()), true);
}

}  // namespace ken::text::jinja
