// Calls: arguments under their parameters' names, and the functions that every template can call.
#include "ken/text/jinja_call.h"

#include <algorithm>

namespace ken::text::jinja {
namespace {

class BoundFunction final : public Object {
 public:
  BoundFunction(std::string name, Function function, size_t depth)
      : name_(std::move(name)), function_(std::move(function)), depth_(depth) {
    if (depth > limits().nesting) fault("values nested more than {} deep (limit: nesting)", limits().nesting);
  }
  std::string_view type() const override { return "function"; }
  bool callable() const override { return true; }
  size_t depth() const override { return depth_; }
  Value call(Interpreter& interpreter, const Call& call) override { return function_(interpreter, call); }

 private:
  std::string name_;
  Function function_;
  size_t depth_;
};

Value range(Interpreter&, const Call& call) {
  const Arguments arguments("range", call, {"start", "stop", "step"});
  const bool one = !arguments.has(1);
  const int64_t start = one ? 0 : arguments.integer(0), stop = arguments.integer(one ? 0 : 1);
  const int64_t stride = arguments.integer(2, 1);
  if (stride == 0) fault("range() arg 3 must not be zero");
  const __int128 span = stride > 0 ? __int128(stop) - start : __int128(start) - stop;
  const __int128 by = stride > 0 ? __int128(stride) : -__int128(stride);
  const __int128 count = span <= 0 ? 0 : (span + by - 1) / by;
  if (count > __int128(limits().range)) fault("a range of more than {} items (limit: range)", limits().range);
  std::vector<Value> items;
  for (int64_t i = 0; i < int64_t(count); ++i) items.emplace_back(start + i * stride);
  return make_list(std::move(items), Form::range);
}

void fill(Dict& dict, const Call& call) {
  if (call.positional.size() > 1) fault("dict expected at most 1 argument, got {}", call.positional.size());
  if (!call.positional.empty() && call.positional[0].is_dict()) {
    for (const auto& [key, value] : call.positional[0].dict().items) dict.set(key, value);
  } else if (!call.positional.empty()) {
    for (const Value& pair : iterate(call.positional[0])) {
      const auto parts = iterate(pair);
      if (parts.size() != 2) fault("a dict is made of pairs, but one has {} items", parts.size());
      dict.set(parts[0], parts[1]);
    }
  }
  for (const auto& [name, value] : call.named) dict.set(Value(name), value);
}

class Cycler final : public Object {
 public:
  explicit Cycler(const std::vector<Value>& items) : items_(make_list(items)) {
    if (items.empty()) fault("at least one item has to be provided");
  }
  std::string_view type() const override { return "Cycler"; }
  size_t depth() const override { return items_.depth(); }
  Value get(std::string_view name) const override {
    if (name == "current") return items_.list().items[at_];
    const auto self = std::const_pointer_cast<Cycler>(std::static_pointer_cast<const Cycler>(shared_from_this()));
    if (name == "next")
      return make_function(
          "next", [self](auto&&...) { return self->next(); }, depth() + 1);
    if (name == "reset")
      return make_function(
          "reset", [self](auto&&...) { return self->at_ = 0, Value(); }, depth() + 1);
    return Object::get(name);
  }

 private:
  Value next() {
    const Value item = items_.list().items[at_];
    at_ = (at_ + 1) % items_.list().items.size();
    return item;
  }
  Value items_;
  size_t at_ = 0;
};

[[noreturn]] Value raise(Interpreter&, const Call& call) {
  const Arguments arguments("raise_exception", call, {"message"});
  throw TemplateRaised(to_text(arguments.at(0)).text());
}

}  // namespace

Arguments::Arguments(std::string_view function, const Call& call, std::initializer_list<std::string_view> parameters)
    : function_(function), parameters_(parameters), values_(parameters.size(), nullptr) {
  if (call.positional.size() > parameters.size())
    fault("{}() takes at most {} arguments ({} given)", function, parameters.size(), call.positional.size());
  for (size_t i = 0; i < call.positional.size(); ++i) values_[i] = &call.positional[i];
  for (const auto& [name, value] : call.named) {
    const auto found = std::find(parameters_.begin(), parameters_.end(), name);
    if (found == parameters_.end()) fault("{}() got an unexpected keyword argument '{}'", function, name);
    const Value*& place = values_[size_t(found - parameters_.begin())];
    if (place) fault("{}() got multiple values for argument '{}'", function, name);
    place = &value;
  }
}

const Value& Arguments::at(size_t i) const {
  if (!has(i)) fault("{}() needs the argument '{}'", function_, parameters_[i]);
  return *values_[i];
}

int64_t Arguments::integer(size_t i) const {
  const Value& value = at(i);
  require_defined(value);
  if (!value.is_integer()) fault("{}(): {} must be an integer, not {}", function_, parameters_[i], type_name(value));
  return value.integer();
}

const std::string& Arguments::text(size_t i) const {
  const Value& value = at(i);
  require_defined(value);
  if (!value.is_text()) fault("{}(): {} must be a string, not {}", function_, parameters_[i], type_name(value));
  return value.text();
}

std::optional<std::string> Arguments::optional_text(size_t i) const {
  if (!has(i) || at(i).is_none()) return std::nullopt;
  return text(i);
}

Value make_function(std::string name, Function function, size_t depth) {
  return ObjectRef(std::make_shared<BoundFunction>(std::move(name), std::move(function), depth));
}

Value make_dict(Interpreter&, const Call& call) {
  auto dict = std::make_shared<Dict>();
  fill(*dict, call);
  return DictRef(std::move(dict));
}

Value Namespace::get(std::string_view name) const {
  if (const Value* found = members.find(name)) return *found;
  return undefined(fmt::format("'Namespace' object has no attribute '{}'", name));
}

namespace {
const Filter* find_filter(std::string_view name) {
  for (const auto* table : {&text_filters(), &number_filters(), &sequence_filters(), &selection_filters()})
    if (const auto found = table->find(name); found != table->end()) return &found->second;
  return nullptr;
}
}  // namespace

bool has_filter(std::string_view name) { return find_filter(name) != nullptr; }

Value apply_filter(std::string_view name, Interpreter& interpreter, const Value& value, const Call& call) {
  const Filter* filter = find_filter(name);
  if (!filter) fault("no filter named '{}'", name.substr(0, 80));
  return (*filter)(interpreter, value, call);
}

const std::vector<std::pair<std::string_view, Value>>& global_functions() {
  static const std::vector<std::pair<std::string_view, Value>> functions{
      {"range", make_function("range", range)},
      {"dict", make_function("dict", make_dict)},
      {"raise_exception", make_function("raise_exception", raise)},
      {"cycler", make_function("cycler", [](Interpreter&, const Call& call) -> Value {
         return ObjectRef(std::make_shared<Cycler>(call.positional));
       })}};
  return functions;
}

}  // namespace ken::text::jinja
