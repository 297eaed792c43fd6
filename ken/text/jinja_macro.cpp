// Macros and the loop variable: values that hold a piece of the template.
#include <algorithm>

#include "ken/text/jinja_eval.h"

namespace ken::text::jinja {
namespace {

class Macro final : public Object {
 public:
  Macro(const Stmt& statement, std::string name, ScopeRef scope)
      : statement_(statement), name_(std::move(name)), scope_(std::move(scope)) {}
  std::string_view type() const override { return "Macro"; }
  bool callable() const override { return true; }
  Value get(std::string_view name) const override { return name == "name" ? Value(name_) : Object::get(name); }

  Value call(Interpreter& interpreter, const Call& call) override {
    const auto own = std::make_shared<Scope>();
    own->parent = scope_;
    bind_positional(interpreter, call, *own);
    bind_named(interpreter, call, *own);
    bind_defaults(interpreter, own);
    return interpreter.render(statement_.body, own);
  }

 private:
  const Signature& signature() const { return statement_.signature; }

  void put(Interpreter& interpreter, Scope& own, std::string_view name, Value value) const {
    if (const auto symbol = interpreter.symbol_of(name)) own.set(*symbol, std::move(value));
  }

  void bind_positional(Interpreter& interpreter, const Call& call, Scope& own) const {
    const auto& parameters = signature().parameters;
    const size_t bound = std::min(parameters.size(), call.positional.size());
    for (size_t i = 0; i < bound; ++i) own.set(parameters[i], call.positional[i]);
    if (signature().uses_varargs) {
      put(interpreter, own, "varargs",
          make_list({call.positional.begin() + ptrdiff_t(bound), call.positional.end()}, Form::tuple));
    } else if (call.positional.size() > bound) {
      fault("macro '{}' takes not more than {} argument(s)", name_, parameters.size());
    }
  }

  void bind_named(Interpreter& interpreter, const Call& call, Scope& own) const {
    const auto& parameters = signature().parameters;
    const auto more = std::make_shared<Dict>();
    bool has_caller = false;
    for (const auto& [name, value] : call.named) {
      const auto symbol = interpreter.symbol_of(name);
      const auto found = symbol ? std::find(parameters.begin(), parameters.end(), *symbol) : parameters.end();
      if (found != parameters.end()) {
        if (size_t(found - parameters.begin()) < call.positional.size())
          fault("macro '{}' got multiple values for argument '{}'", name_, name);
        own.set(*symbol, value);
      } else if (name == "caller" && signature().uses_caller) {
        has_caller = true;
        own.set(*symbol, value);
      } else if (signature().uses_kwargs) {
        more->set(Value(name), value);
      } else {
        fault("macro '{}' takes no keyword argument '{}'", name_, name);
      }
    }
    if (signature().uses_kwargs) put(interpreter, own, "kwargs", DictRef(more));
    if (signature().uses_caller && !has_caller) put(interpreter, own, "caller", undefined("No caller defined"));
  }

  // In order, so that a default may use the parameters before it.
  void bind_defaults(Interpreter& interpreter, const ScopeRef& own) const {
    const auto& parameters = signature().parameters;
    const auto& defaults = signature().defaults;
    for (size_t i = 0; i < parameters.size(); ++i) {
      const auto given = [&](const auto& entry) { return entry.first == parameters[i]; };
      if (std::any_of(own->variables.begin(), own->variables.end(), given)) continue;
      const size_t without = parameters.size() - defaults.size();
      own->set(parameters[i], i < without ? undefined(fmt::format("parameter '{}' was not provided",
                                                                  interpreter.name_of(parameters[i])))
                                          : interpreter.eval(*defaults[i - without], own));
    }
  }

  const Stmt& statement_;
  std::string name_;
  ScopeRef scope_;
};

}  // namespace

Value make_macro(Interpreter& interpreter, const Stmt& statement, std::string name, const ScopeRef& scope) {
  interpreter.keep(scope);
  return ObjectRef(std::make_shared<Macro>(statement, std::move(name), scope));
}

Value Loop::item(int64_t at, std::string_view what) const {
  const auto& items = items_.list().items;
  if (at >= 0 && at < int64_t(items.size())) return items[size_t(at)];
  return undefined(fmt::format("there is no {} item", what));
}

Value Loop::get(std::string_view name) const {
  const size_t size = items_.list().items.size();
  if (name == "index") return index + 1;
  if (name == "index0") return index;
  if (name == "revindex") return size - index;
  if (name == "revindex0") return int64_t(size - index) - 1;
  if (name == "first") return index == 0;
  if (name == "last") return index + 1 == size;
  if (name == "length") return size;
  if (name == "depth") return level_;
  if (name == "depth0") return level_ - 1;
  if (name == "previtem") return item(int64_t(index) - 1, "previous");
  if (name == "nextitem") return item(int64_t(index) + 1, "next");
  if (name == "cycle" || name == "changed") return method(name);
  return undefined(fmt::format("'jinja2.runtime.LoopContext object' has no attribute '{}'", name));
}

Value Loop::method(std::string_view name) const {
  const auto self = std::const_pointer_cast<Loop>(std::static_pointer_cast<const Loop>(shared_from_this()));
  if (name == "changed")
    return make_function(
        "changed", [self](Interpreter&, const Call& call) -> Value { return self->changed(call); }, depth() + 1);
  return make_function(
      "cycle",
      [self](Interpreter&, const Call& call) -> Value {
        if (call.positional.empty()) fault("no items for cycling given");
        return call.positional[self->index % call.positional.size()];
      },
      depth() + 1);
}

bool Loop::changed(const Call& call) {
  const Value now = make_list(call.positional, Form::tuple);
  if (last_.is_list() && equal(last_, now)) return false;
  if (last_.is_undefined()) {
    // What is remembered may hold this loop.
    interpreter_.keep([self = std::static_pointer_cast<Loop>(shared_from_this())] { self->last_ = Value(); });
  }
  last_ = now;
  return true;
}

Value Loop::call(Interpreter& interpreter, const Call& call) {
  const Arguments arguments("loop", call, {"iterable"});
  if (!statement_.recursive) fault("the loop must have the 'recursive' marker to be called recursively.");
  return interpreter.run_loop(statement_, arguments.at(0), scope_, level_ + 1);
}

}  // namespace ken::text::jinja
