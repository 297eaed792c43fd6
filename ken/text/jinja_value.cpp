// Values: what Python's objects are to each other: truth, equality, order, membership, text.
#include "ken/text/jinja_value.h"

#include <algorithm>
#include <cmath>

#include "ken/text/jinja_strings.h"

namespace ken::text::jinja {
namespace {

constexpr std::string_view views[] = {"dict_keys(", "dict_values(", "dict_items("};

size_t nested(size_t inner) {
  if (inner >= limits().nesting) fault("values nested more than {} deep (limit: nesting)", limits().nesting);
  return inner + 1;
}

void append_items(std::string& out, const List& list, char open, char close) {
  out += open;
  for (size_t i = 0; i < list.items.size(); ++i) {
    if (i) out += ", ";
    append_repr(out, list.items[i]);
  }
  if (list.form == Form::tuple && list.items.size() == 1) out += ',';
  out += close;
}

void append_list(std::string& out, const List& list) {
  switch (list.form) {
    case Form::tuple:
      return append_items(out, list, '(', ')');
    case Form::keys:
    case Form::values:
    case Form::items:
      out += views[int(list.form) - int(Form::keys)];
      append_items(out, list, '[', ']');
      out += ')';
      return;
    case Form::generator:
      out += "<generator object>";
      return;
    case Form::range: {
      const auto& items = list.items;
      const int64_t first = items.empty() ? 0 : items[0].integer();
      const int64_t stride = items.size() > 1 ? items[1].integer() - first : 1;
      const int64_t stop = items.empty() ? 0 : items.back().integer() + (stride > 0 ? 1 : -1);
      out += stride == 1 ? fmt::format("range({}, {})", first, stop)
                         : fmt::format("range({}, {}, {})", first, stop, stride);
      return;
    }
    default:
      return append_items(out, list, '[', ']');
  }
}

bool equal_lists(const List& a, const List& b) {
  if (&a == &b) return true;
  if (a.form != b.form || a.items.size() != b.items.size() || a.form == Form::generator) return false;
  for (size_t i = 0; i < a.items.size(); ++i)
    if (!equal(a.items[i], b.items[i])) return false;
  return true;
}

bool equal_dicts(const Dict& a, const Dict& b) {
  if (&a == &b) return true;
  if (a.items.size() != b.items.size()) return false;
  for (const auto& [key, value] : a.items) {
    const Value* other = b.find(key);
    if (!other || !equal(value, *other)) return false;
  }
  return true;
}

bool hashable(const Value& value) {
  step();  // a tuple may hold another many times
  if (value.is_dict()) return false;
  if (!value.is_list()) return true;
  const List& list = value.list();
  return list.form != Form::list &&
         (list.form != Form::tuple || std::all_of(list.items.begin(), list.items.end(), hashable));
}

}  // namespace

Value::Value(std::string text, bool markup) {
  check_text(text.size());
  if (text.size() > 256) step_bytes(text.size());
  data_ = std::make_shared<const Text>(std::move(text), markup);
}
const std::string& Value::text() const { return std::get<TextRef>(data_)->bytes; }
bool Value::markup() const { return is_text() && std::get<TextRef>(data_)->markup; }

bool Value::same(const Value& other) const {
  if (data_.index() != other.data_.index()) return false;
  if (is_text()) return std::get<TextRef>(data_) == std::get<TextRef>(other.data_) || text() == other.text();
  if (is_list()) return &list() == &other.list();
  if (is_dict()) return &dict() == &other.dict();
  if (is<ObjectRef>()) return &object() == &other.object();
  return equal(*this, other);
}

size_t Value::depth() const {
  if (is_list()) return list().depth;
  if (is_dict()) return dict().depth;
  return is<ObjectRef>() ? object().depth() : 0;
}

List::List(std::vector<Value> values, Form as) : items(std::move(values)), form(as), depth(1), charge(100) {
  charge.add(items.size() * sizeof(Value));
  for (const Value& value : items) depth = std::max(depth, nested(value.depth()));
}

Value make_list(std::vector<Value> items, Form form) {
  step(1 + items.size() / 8);
  return ListRef(std::make_shared<const List>(std::move(items), form));
}

size_t Dict::position(const Value& key) const {
  if (!hashable(key)) fault("unhashable type: '{}'", type_name(key));
  if (key.is_text() && !has_other_keys_) {
    const auto found = index_.find(key.text());
    return found == index_.end() ? items.size() : found->second;
  }
  step(1 + items.size() / 4);
  for (size_t i = 0; i < items.size(); ++i)
    if (equal(items[i].first, key)) return i;
  return items.size();
}

const Value* Dict::find(const Value& key) const {
  const size_t at = position(key);
  return at < items.size() ? &items[at].second : nullptr;
}

const Value* Dict::find(std::string_view key) const {
  const auto found = index_.find(key);
  return found == index_.end() ? nullptr : &items[found->second].second;
}

void Dict::set(const Value& key, const Value& value) {
  depth = std::max({depth, nested(value.depth()), nested(key.depth())});
  const size_t at = position(key);
  if (at < items.size()) {
    items[at].second = value;
    return;
  }
  charge.add(2 * sizeof(Value) + 40);
  items.emplace_back(key, value);
  if (key.is_text()) {
    index_[key.text()] = at;  // the text lives as long as the key beside it
  } else {
    has_other_keys_ = true;
  }
}

Value Object::get(std::string_view name) const {
  return undefined(fmt::format("'{}' has no attribute '{}'", type(), name));
}
Value Object::call(Interpreter&, const Call&) { fault("'{}' object is not callable", type()); }

Value undefined(std::string why) { return Undefined{std::make_shared<const std::string>(std::move(why))}; }

void require_defined(const Value& value) {
  if (value.is_undefined()) fault("{}", value.why());
}

std::string_view type_name(const Value& value) {
  if (value.is_undefined()) return "Undefined";
  if (value.is_none()) return "NoneType";
  if (value.is<bool>()) return "bool";
  if (value.is<int64_t>()) return "int";
  if (value.is<double>()) return "float";
  if (value.is_text()) return value.markup() ? "Markup" : "str";
  if (value.is_dict()) return "dict";
  if (!value.is_list()) return value.object().type();
  constexpr std::string_view names[] = {"list",      "tuple",       "range",     "generator",
                                        "dict_keys", "dict_values", "dict_items"};
  return names[int(value.list().form)];
}

bool truth(const Value& value) {
  if (value.is_undefined() || value.is_none()) return false;
  if (value.is_integer()) return value.integer() != 0;
  if (value.is<double>()) return value.number() != 0;
  if (value.is_text()) return !value.text().empty();
  if (value.is_dict()) return !value.dict().items.empty();
  if (value.is_list()) return value.list().form == Form::generator || !value.list().items.empty();
  return true;
}

bool equal(const Value& a, const Value& b) {
  step();
  if (a.is_integer() && b.is_integer()) return a.integer() == b.integer();
  if (a.is_number() && b.is_number()) return a.number() == b.number();
  if (a.is_text() && b.is_text()) {
    if (a.text().size() != b.text().size()) return false;
    step_bytes(a.text().size());
    return a.text() == b.text();
  }
  if (a.is_list() && b.is_list()) return equal_lists(a.list(), b.list());
  if (a.is_dict() && b.is_dict()) return equal_dicts(a.dict(), b.dict());
  if (a.is<ObjectRef>() && b.is<ObjectRef>()) return &a.object() == &b.object();
  return (a.is_none() && b.is_none()) || (a.is_undefined() && b.is_undefined());
}

bool less(const Value& a, const Value& b, std::string_view op) {
  step();
  require_defined(a);
  require_defined(b);
  if (a.is_integer() && b.is_integer()) return a.integer() < b.integer();
  if (a.is_number() && b.is_number()) return a.number() < b.number();
  if (a.is_text() && b.is_text()) {
    step_bytes(std::min(a.text().size(), b.text().size()));
    return a.text() < b.text();  // the order of UTF-8 bytes is the order of characters
  }
  if (a.is_list() && b.is_list() && a.list().form == b.list().form && a.list().form <= Form::tuple) {
    const auto &left = a.list().items, &right = b.list().items;
    for (size_t i = 0; i < std::min(left.size(), right.size()); ++i)
      if (!equal(left[i], right[i])) return less(left[i], right[i], op);
    return left.size() < right.size();
  }
  fault("'{}' not supported between instances of '{}' and '{}'", op, type_name(a), type_name(b));
}

bool contains(const Value& container, const Value& item) {
  if (container.is_text()) {
    if (!item.is_text()) fault("'in <string>' requires string as left operand, not {}", type_name(item));
    step_search(container.text(), item.text());
    return container.text().find(item.text()) != std::string::npos;
  }
  if (container.is_dict()) return container.dict().find(item) != nullptr;
  if (!iterable(container)) fault("argument of type '{}' is not iterable", type_name(container));
  if (!container.is_list()) return false;  // undefined
  const auto& items = container.list().items;
  return std::any_of(items.begin(), items.end(), [&](const Value& value) { return equal(value, item); });
}

std::string float_text(double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value < 0 ? "-inf" : "inf";
  std::string text = fmt::format("{}", value);
  if (text.find_first_of(".e") == text.npos) text += ".0";
  return text;
}

void append_repr(std::string& out, const Value& value) {
  step();
  check_text(out.size());
  if (value.is_text()) {
    step_bytes(value.text().size());
    out += value.markup() ? "Markup(" + quote(value.text()) + ")" : quote(value.text());
  } else if (value.is_undefined()) {
    out += "Undefined";
  } else if (value.is_list()) {
    append_list(out, value.list());
  } else if (value.is_dict()) {
    out += '{';
    for (const auto& [key, item] : value.dict().items) {
      if (&key != &value.dict().items[0].first) out += ", ";
      append_repr(out, key);
      out += ": ";
      append_repr(out, item);
    }
    out += '}';
  } else if (value.is<ObjectRef>()) {
    out += fmt::format("<{}>", value.object().type());
  } else {
    append_text(out, value);
  }
}

void append_text(std::string& out, const Value& value) {
  if (value.is_text()) {
    step_bytes(value.text().size());
    out += value.text();
  } else if (value.is_none()) {
    out += "None";
  } else if (value.is<bool>()) {
    out += value.integer() ? "True" : "False";
  } else if (value.is<int64_t>()) {
    out += fmt::format("{}", value.integer());
  } else if (value.is<double>()) {
    out += float_text(value.number());
  } else if (!value.is_undefined()) {
    append_repr(out, value);
  }
  check_text(out.size());
}

Value to_text(const Value& value) {
  if (value.is_text()) return value;
  std::string out;
  append_text(out, value);
  return out;
}

bool iterable(const Value& value) {
  return value.is_undefined() || value.is_text() || value.is_list() || value.is_dict();
}

std::vector<Value> iterate(const Value& value) {
  if (value.is_undefined()) return {};
  std::vector<Value> items;
  if (value.is_text()) {
    step(value.text().size());
    Charge charge(value.text().size() * (sizeof(Value) + 120));
    for (const auto part : split_characters(value.text())) items.emplace_back(std::string(part), value.markup());
    return items;
  }
  if (value.is_dict()) {
    for (const auto& item : value.dict().items) items.push_back(item.first);
  } else if (value.is_list()) {
    const List& list = value.list();
    if (list.form == Form::generator && std::exchange(list.spent, true)) return {};
    items = list.items;
  } else {
    fault("'{}' object is not iterable", type_name(value));
  }
  step(1 + items.size() / 8);
  return items;
}

size_t length(const Value& value) {
  if (value.is_undefined()) return 0;
  if (value.is_text()) {
    step_bytes(value.text().size());
    return characters(value.text());
  }
  if (value.is_dict()) return value.dict().items.size();
  if (value.is_list() && value.list().form != Form::generator) return value.list().items.size();
  fault("object of type '{}' has no len()", type_name(value));
}

}  // namespace ken::text::jinja
