// Expressions: each kind's value.

#include "ken/text/jinja_eval.h"

namespace ken::text::jinja {

Value Interpreter::eval(const Expr& e, const ScopeRef& scope) {
  const Deeper deeper(*this);
  step();
  line_ = e.line;
  switch (e.kind) {
    case ExprKind::constant:
      return e.value;
    case ExprKind::name:
      return eval_name(e, scope);
    case ExprKind::tuple:
    case ExprKind::list:
      return make_list(eval_all(e.items, scope), e.kind == ExprKind::list ? Form::list : Form::tuple);
    case ExprKind::dict:
      return eval_dict(e, scope);
    case ExprKind::compare:
      return eval_compare(e, scope);
    case ExprKind::concatenate:
      return eval_concatenate(e, scope);
    case ExprKind::slice:
      return eval_slice(e, scope);
    case ExprKind::both:
    case ExprKind::either:
    case ExprKind::negation:
    case ExprKind::conditional:
      return eval_logic(e, scope);
    case ExprKind::filter:
      return eval_filters(e, Value(), scope);
    default:
      return eval_pair(e, scope);
  }
}

Value Interpreter::eval_name(const Expr& e, const ScopeRef& scope) {
  if (const Value* found = scope->find(e.symbol)) return *found;
  return undefined(fmt::format("'{}' is undefined", name_of(e.symbol)));
}

std::vector<Value> Interpreter::eval_all(const std::vector<ExprRef>& items, const ScopeRef& scope) {
  std::vector<Value> values;
  for (const auto& item : items) values.push_back(eval(*item, scope));
  return values;
}

Value Interpreter::eval_dict(const Expr& e, const ScopeRef& scope) {
  auto dict = std::make_shared<Dict>();
  for (size_t i = 0; i + 1 < e.items.size(); i += 2) {
    const Value key = eval(*e.items[i], scope);
    dict->set(key, eval(*e.items[i + 1], scope));
  }
  return DictRef(std::move(dict));
}

Value Interpreter::eval_compare(const Expr& e, const ScopeRef& scope) {
  Value left = eval(*e.items[0], scope);
  for (size_t i = 0; i < e.texts.size(); ++i) {
    Value right = eval(*e.items[i + 1], scope);
    line_ = e.line;
    const std::string_view op = e.texts[i];
    bool held = false;
    if (op == "==" || op == "!=") held = equal(left, right) == (op == "==");
    if (op == "in" || op == "not in") held = contains(right, left) == (op == "in");
    if (op == "<") held = less(left, right, op);
    if (op == ">") held = less(right, left, op);
    // Not a number is neither less nor greater.
    if (op == "<=") held = less(left, right, op) || equal(left, right);
    if (op == ">=") held = less(right, left, op) || equal(left, right);
    if (!held) return false;
    left = std::move(right);
  }
  return true;
}

Value Interpreter::eval_concatenate(const Expr& e, const ScopeRef& scope) {
  std::string text;
  for (const auto& item : e.items) append_text(text, eval(*item, scope));
  return text;
}

Value Interpreter::eval_slice(const Expr& e, const ScopeRef& scope) {
  const Value value = eval(*e.items[0], scope);
  Value bounds[3];
  for (size_t i = 0; i < 3; ++i)
    if (e.items[i + 1]) bounds[i] = eval(*e.items[i + 1], scope);
  line_ = e.line;
  return slice(value, bounds[0], bounds[1], bounds[2]);
}

Value Interpreter::eval_logic(const Expr& e, const ScopeRef& scope) {
  if (e.kind == ExprKind::negation) return !truth(eval(*e.items[0], scope));
  if (e.kind == ExprKind::conditional) {
    if (truth(eval(*e.items[1], scope))) return eval(*e.items[0], scope);
    if (e.items[2]) return eval(*e.items[2], scope);
    return undefined(
        fmt::format("the inline if-expression on line {} evaluated to false and no else section was defined.", e.line));
  }
  Value value;
  for (const auto& item : e.items) {
    value = eval(*item, scope);
    if (truth(value) == (e.kind == ExprKind::either)) break;
  }
  return value;
}

// Kinds that have a value on the left: operators, attributes, subscripts, calls and tests.
Value Interpreter::eval_pair(const Expr& e, const ScopeRef& scope) {
  const Value left = eval(*e.items[0], scope);
  if (e.kind == ExprKind::call || e.kind == ExprKind::test) {
    const Call arguments = eval_arguments(e.arguments.get(), scope);
    line_ = e.line;
    return e.kind == ExprKind::call ? call(left, arguments) : Value(test(e.text, left, arguments));
  }
  if (e.kind == ExprKind::binary || e.kind == ExprKind::subscript) {
    const Value right = eval(*e.items[1], scope);
    line_ = e.line;
    return e.kind == ExprKind::binary ? binary(e.text, left, right) : subscript(left, right);
  }
  line_ = e.line;
  if (e.kind == ExprKind::attribute) return attribute(left, e.text);
  if (e.kind == ExprKind::minus) return negate(left);
  require_defined(left);
  if (!left.is_number()) fault("bad operand type for unary +: '{}'", type_name(left));
  return left.is<bool>() ? Value(left.integer()) : left;
}

// A chain of filters; the innermost one has no value in a filter block, and takes `standard`.
Value Interpreter::eval_filters(const Expr& e, const Value& standard, const ScopeRef& scope) {
  const bool chained = e.items[0] && e.items[0]->kind == ExprKind::filter;
  const Value value = chained      ? eval_filters(*e.items[0], standard, scope)
                      : e.items[0] ? eval(*e.items[0], scope)
                                   : standard;
  const Call arguments = eval_arguments(e.arguments.get(), scope);
  line_ = e.line;
  return filter(e.text, value, arguments);
}

Call Interpreter::eval_arguments(const ArgumentList* list, const ScopeRef& scope) {
  Call call;
  if (!list) return call;
  call.positional = eval_all(list->positional, scope);
  for (const auto& [name, value] : list->named) call.named.emplace_back(name, eval(*value, scope));
  if (list->more_positional)
    for (Value& value : iterate(eval(*list->more_positional, scope))) call.positional.push_back(std::move(value));
  if (!list->more_named) return call;
  const Value named = eval(*list->more_named, scope);
  if (!named.is_dict()) fault("argument after ** must be a mapping, not {}", type_name(named));
  for (const auto& [key, value] : named.dict().items) {
    if (!key.is_text()) fault("keywords must be strings");
    call.named.emplace_back(key.text(), value);
  }
  return call;
}

Value Interpreter::call(const Value& function, const Call& call) {
  require_defined(function);
  step();
  if (!function.is<ObjectRef>()) fault("'{}' object is not callable", type_name(function));
  const ObjectRef alive = function.object_ref();  // a macro may be assigned over while it runs
  return alive->call(*this, call);
}

Value Interpreter::filter(std::string_view name, const Value& value, const Call& call) {
  step();
  return apply_filter(name, *this, value, call);
}

bool Interpreter::test(std::string_view name, const Value& value, const Call& call) {
  step();
  return apply_test(name, value, call);
}

}  // namespace ken::text::jinja
