// Filters of lists and dicts.
#include <algorithm>

#include "ken/text/jinja_eval.h"
#include "ken/text/jinja_strings.h"

namespace ken::text::jinja {
namespace {

// "a.b.0" -> the member of the member of a value, as groupby, sort, map and their kin name it.
Value member_of(const Value& value, const Value& path, const Value* standard) {
  if (!path.is_text()) return subscript(value, path);
  Value found = value;
  for (const std::string& part : split(path.text(), ".", -1)) {
    const bool number = !part.empty() && part.size() < 10 && part.find_first_not_of("0123456789") == part.npos;
    found = subscript(found, number ? Value(int64_t(std::stoi(part))) : Value(part));
    if (standard && found.is_undefined()) found = *standard;
  }
  return found;
}

Value folded(const Value& value, bool case_sensitive) {
  return value.is_text() && !case_sensitive ? Value(lower(value.text())) : value;
}

// What a value is sorted by: itself, a member, or several members "a,b".
Value sort_key(const Value& value, const Value& attribute, bool case_sensitive) {
  if (attribute.is_none()) return folded(value, case_sensitive);
  if (!attribute.is_text() || attribute.text().find(',') == std::string::npos)
    return folded(member_of(value, attribute, nullptr), case_sensitive);
  std::vector<Value> keys;
  for (const std::string& part : split(attribute.text(), ",", -1))
    keys.push_back(folded(member_of(value, part, nullptr), case_sensitive));
  return make_list(std::move(keys));
}

using Keyed = std::vector<std::pair<Value, Value>>;

// Stable in both directions, as Python's sort.
void sort_keyed(Keyed& items, bool reverse) {
  const auto before = [&](const auto& a, const auto& b) {
    return reverse ? less(b.first, a.first) : less(a.first, b.first);
  };
  std::stable_sort(items.begin(), items.end(), before);
}

Value sorted(Interpreter&, const Value& value, const Call& call) {
  const Arguments arguments("sort", call, {"reverse", "case_sensitive", "attribute"});
  Keyed keyed;
  for (Value& item : iterate(value))
    keyed.emplace_back(sort_key(item, arguments.get(2, Value()), arguments.flag(1, false)), std::move(item));
  sort_keyed(keyed, arguments.flag(0, false));
  std::vector<Value> items;
  for (auto& [key, item] : keyed) items.push_back(std::move(item));
  return make_list(std::move(items));
}

Value sorted_dict(Interpreter&, const Value& value, const Call& call) {
  const Arguments arguments("dictsort", call, {"case_sensitive", "by", "reverse"});
  const std::string by = arguments.has(1) ? arguments.text(1) : "key";
  if (by != "key" && by != "value") fault("You can only sort by either \"key\" or \"value\"");
  require_defined(value);
  if (!value.is_dict()) fault("dictsort() needs a dict, not {}", type_name(value));
  Keyed keyed;
  for (const auto& [key, item] : value.dict().items)
    keyed.emplace_back(folded(by == "key" ? key : item, arguments.flag(0, false)), make_list({key, item}, Form::tuple));
  sort_keyed(keyed, arguments.flag(2, false));
  std::vector<Value> items;
  for (auto& [key, item] : keyed) items.push_back(std::move(item));
  return make_list(std::move(items));
}

Value grouped(Interpreter&, const Value& value, const Call& call) {
  const Arguments arguments("groupby", call, {"attribute", "default", "case_sensitive"});
  const bool case_sensitive = arguments.flag(2, false);
  const Value standard = arguments.get(1, Value());
  Keyed keyed;
  for (Value& item : iterate(value)) {
    Value key = member_of(item, arguments.at(0), arguments.has(1) ? &standard : nullptr);
    keyed.emplace_back(folded(key, case_sensitive), make_list({key, item}));
  }
  sort_keyed(keyed, false);
  std::vector<Value> groups, items;
  for (size_t i = 0; i < keyed.size(); ++i) {
    items.push_back(keyed[i].second.list().items[1]);
    if (i + 1 < keyed.size() && equal(keyed[i].first, keyed[i + 1].first)) continue;
    const Value& first = keyed[i + 1 - items.size()].second.list().items[0];
    groups.push_back(make_list({first, make_list(std::exchange(items, {}))}, Form::tuple));
  }
  return make_list(std::move(groups));
}

Value unique(Interpreter&, const Value& value, const Call& call) {
  const Arguments arguments("unique", call, {"case_sensitive", "attribute"});
  Dict seen;
  std::vector<Value> items;
  for (Value& item : iterate(value)) {
    const Value key = sort_key(item, arguments.get(1, Value()), arguments.flag(0, false));
    if (seen.find(key)) continue;
    seen.set(key, true);
    items.push_back(std::move(item));
  }
  return make_list(std::move(items), Form::generator);
}

template <bool largest>
Value extreme(Interpreter&, const Value& value, const Call& call) {
  const Arguments arguments(largest ? "max" : "min", call, {"case_sensitive", "attribute"});
  std::optional<std::pair<Value, Value>> best;
  for (Value& item : iterate(value)) {
    Value key = sort_key(item, arguments.get(1, Value()), arguments.flag(0, false));
    if (!best || (largest ? less(best->first, key) : less(key, best->first)))
      best.emplace(std::move(key), std::move(item));
  }
  return best ? best->second : undefined("No aggregated item, sequence was empty.");
}

Value sum(Interpreter&, const Value& value, const Call& call) {
  const Arguments arguments("sum", call, {"attribute", "start"});
  const Value attribute = arguments.get(0, Value());
  Value total = arguments.get(1, 0);
  if (total.is_text()) fault("sum() can't sum strings");
  for (const Value& item : iterate(value))
    total = binary("+", total, attribute.is_none() ? item : member_of(item, attribute, nullptr));
  return total;
}

Value joined(Interpreter&, const Value& value, const Call& call) {
  const Arguments arguments("join", call, {"d", "attribute"});
  const Value mark = to_text(arguments.get(0, ""));
  std::string out;
  bool first = true;
  for (const Value& item : iterate(value)) {
    if (!std::exchange(first, false)) append_text(out, mark);
    append_text(out, arguments.has(1) && !arguments.at(1).is_none() ? member_of(item, arguments.at(1), nullptr) : item);
  }
  return out;
}

Value first(Interpreter&, const Value& value, const Call& call) {
  const Arguments arguments("first", call, {});
  if (value.is_text())
    return value.text().empty() ? undefined("No first item, sequence was empty.") : subscript(value, 0);
  const auto items = iterate(value);
  return items.empty() ? undefined("No first item, sequence was empty.") : items.front();
}

Value last(Interpreter&, const Value& value, const Call& call) {
  const Arguments arguments("last", call, {});
  if (value.is_text() && !value.text().empty()) return subscript(value, -1);
  if (value.is_list() && value.list().form == Form::generator) fault("'generator' object is not reversible");
  const auto items = iterate(value);
  return items.empty() ? undefined("No last item, sequence was empty.") : items.back();
}

Value reversed(Interpreter&, const Value& value, const Call& call) {
  const Arguments arguments("reverse", call, {});
  if (value.is_text()) return slice(value, Value(), Value(), -1);
  const bool once = value.is_list() && value.list().form == Form::generator;
  auto items = iterate(value);
  std::reverse(items.begin(), items.end());
  return make_list(std::move(items), once ? Form::list : Form::generator);
}

Value batch(Interpreter&, const Value& value, const Call& call) {
  const Arguments arguments("batch", call, {"linecount", "fill_with"});
  const int64_t size = arguments.integer(0);
  if (size > int64_t(limits().range)) fault("a batch of more than {} items (limit: range)", limits().range);
  std::vector<Value> rows, row;
  for (Value& item : iterate(value)) {
    if (int64_t(row.size()) == size) rows.push_back(make_list(std::exchange(row, {})));
    row.push_back(std::move(item));
  }
  if (row.empty()) return make_list(std::move(rows), Form::generator);
  const Value fill = arguments.get(1, Value());
  while (!fill.is_none() && int64_t(row.size()) < size) row.push_back(fill);
  rows.push_back(make_list(std::move(row)));
  return make_list(std::move(rows), Form::generator);
}

// So many columns, the first of them one longer where the items do not divide.
Value columns(Interpreter&, const Value& value, const Call& call) {
  const Arguments arguments("slice", call, {"slices", "fill_with"});
  const auto items = iterate(value);
  const int64_t count = arguments.integer(0);
  if (count <= 0) fault("slice(): at least one column is needed");
  if (count > int64_t(limits().range)) fault("more than {} columns (limit: range)", limits().range);
  const Value fill = arguments.get(1, Value());
  const size_t each = items.size() / size_t(count), longer = items.size() % size_t(count);
  std::vector<Value> rows;
  for (size_t i = 0, at = 0; i < size_t(count); ++i) {
    const size_t size = each + (i < longer);
    std::vector<Value> row(items.begin() + ptrdiff_t(at), items.begin() + ptrdiff_t(at + size));
    if (!fill.is_none() && i >= longer) row.push_back(fill);
    rows.push_back(make_list(std::move(row)));
    at += size;
  }
  return make_list(std::move(rows), Form::generator);
}

Value pairs(Interpreter&, const Value& value, const Call& call) {
  const Arguments arguments("items", call, {});
  if (value.is_undefined()) return make_list({}, Form::generator);
  if (!value.is_dict()) fault("Can only get item pairs from a mapping.");
  std::vector<Value> items;
  for (const auto& [key, item] : value.dict().items) items.push_back(make_list({key, item}, Form::tuple));
  return make_list(std::move(items), Form::generator);
}

Value or_default(Interpreter&, const Value& value, const Call& call) {
  const Arguments arguments("default", call, {"default_value", "boolean"});
  return value.is_undefined() || (arguments.flag(1, false) && !truth(value)) ? arguments.get(0, "") : value;
}

Value attribute_of(Interpreter&, const Value& value, const Call& call) {
  const Arguments arguments("attr", call, {"name"});
  const std::string name = to_text(arguments.at(0)).text();
  if (!value.is_dict()) return attribute(value, name);
  if (const auto found = method(value, name)) return *found;
  return undefined(fmt::format("'dict object' has no attribute {}", quote(name)));
}

// map(attribute='a', default=x), or map('filter', arguments...)
Value mapped(Interpreter& interpreter, const Value& value, const Call& call) {
  std::vector<Value> items;
  Call rest = call;
  std::string name;
  const Value *path = nullptr, *standard = nullptr;
  if (call.positional.empty()) {
    for (const auto& [key, argument] : call.named) (key == "attribute" ? path : standard) = &argument;
    if (!path || call.named.size() > 1 + (standard != nullptr)) fault("map requires a filter argument");
  } else {
    if (!call.positional[0].is_text()) fault("map requires a filter argument");
    name = call.positional[0].text();
    rest.positional.erase(rest.positional.begin());
  }
  for (const Value& item : iterate(value))
    items.push_back(path ? member_of(item, *path, standard) : interpreter.filter(name, item, rest));
  return make_list(std::move(items), Form::generator);
}

// select, reject and their kin on an attribute: those that pass a test, or that are true without one.
template <bool wanted, bool on_attribute>
Value selected(Interpreter& interpreter, const Value& value, const Call& call) {
  Call rest = call;
  const auto shift = [&] {
    Value front = rest.positional.front();
    rest.positional.erase(rest.positional.begin());
    return front;
  };
  if (on_attribute && rest.positional.empty()) fault("Missing parameter for attribute name");
  const Value path = on_attribute ? shift() : Value();
  const Value test = rest.positional.empty() ? Value() : shift();
  std::vector<Value> items;
  for (Value& item : iterate(value)) {
    const Value subject = on_attribute ? member_of(item, path, nullptr) : item;
    const bool held = test.is_none() ? truth(subject) : interpreter.test(to_text(test).text(), subject, rest);
    step();
    if (held == wanted) items.push_back(std::move(item));
  }
  return make_list(std::move(items), Form::generator);
}

Value counted(Interpreter&, const Value& value, const Call& call) {
  const Arguments arguments("length", call, {});
  return length(value);
}

}  // namespace

const FilterTable& sequence_filters() {
  static const FilterTable table{
      {"length", counted},
      {"count", counted},
      {"first", first},
      {"last", last},
      {"reverse", reversed},
      {"sort", sorted},
      {"dictsort", sorted_dict},
      {"groupby", grouped},
      {"unique", unique},
      {"min", extreme<false>},
      {"max", extreme<true>},
      {"sum", sum},
      {"join", joined},
      {"batch", batch},
      {"slice", columns},
      {"items", pairs},
      {"default", or_default},
      {"d", or_default},
      {"attr", attribute_of},
      {"list", [](Interpreter&, const Value& value, const Call&) { return make_list(iterate(value)); }},
  };
  return table;
}

const FilterTable& selection_filters() {
  static const FilterTable table{
      {"map", mapped},
      {"select", selected<true, false>},
      {"reject", selected<false, false>},
      {"selectattr", selected<true, true>},
      {"rejectattr", selected<false, true>},
  };
  return table;
}

}  // namespace ken::text::jinja
