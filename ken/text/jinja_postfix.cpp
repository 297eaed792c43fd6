// What follows a value: attributes, subscripts, calls, filters and tests; and what may be assigned to.
#include <algorithm>

#include "ken/text/jinja_parser.h"

namespace ken::text::jinja {
namespace {

uint32_t depth_of(const ArgumentList& list) {
  uint32_t depth = 0;
  const auto see = [&](const ExprRef& e) { depth = std::max(depth, e ? e->depth : 0); };
  for (const auto& e : list.positional) see(e);
  for (const auto& [name, e] : list.named) see(e);
  see(list.more_positional);
  see(list.more_named);
  return depth;
}

}  // namespace

Expression ExpressionParser::postfix(Expression value) {
  while (true) {
    if (reader_.is_op(".")) {
      value = dot(std::move(value));
    } else if (reader_.is_op("[")) {
      value = subscript(std::move(value));
    } else if (reader_.is_op("(")) {
      value = call(std::move(value));
    } else {
      return value;
    }
  }
}

Expression ExpressionParser::dot(Expression value) {
  reader_.take();
  const Token token = reader_.take();
  if (token.type == TokenType::name) return make(ExprKind::attribute, token.line, items(value), token.text);
  if (token.type != TokenType::integer)
    reader_.refuse(fmt::format("expected name or number after '.', got '{}'", token.text.substr(0, 40)));
  Expression index = number(token);
  return make(ExprKind::subscript, token.line, items(value, index));
}

Expression ExpressionParser::subscript(Expression value) {
  const TokenReader::Nested nested(reader_);
  const uint32_t line = reader_.take().line;
  std::vector<Expression> keys;
  while (!reader_.is_op("]")) {
    if (!keys.empty()) reader_.expect_op(",");
    keys.push_back(subscript_item());
  }
  reader_.expect_op("]");
  if (keys.size() != 1) {
    const auto is_slice = [](const Expression& key) { return key->kind == ExprKind::slice; };
    if (std::any_of(keys.begin(), keys.end(), is_slice)) reader_.refuse("a slice stands alone within its brackets");
    Expression key = make(ExprKind::tuple, line, std::move(keys));
    return make(ExprKind::subscript, line, items(value, key));
  }
  if (keys[0]->kind != ExprKind::slice) return make(ExprKind::subscript, line, items(value, keys[0]));
  keys[0]->depth = std::max(keys[0]->depth, value->depth + 1);
  if (keys[0]->depth > reader_.limits().nesting) reader_.refuse_nesting();
  keys[0]->items[0] = std::move(value);
  return std::move(keys[0]);
}

// An expression, or start:stop:step as a slice that has no value yet.
Expression ExpressionParser::subscript_item() {
  const uint32_t line = reader_.current().line;
  const auto bound = [&]() -> Expression {
    return reader_.is_op(":") || reader_.is_op("]") || reader_.is_op(",") ? nullptr : expression();
  };
  Expression start = bound();
  if (!reader_.is_op(":")) {
    if (!start) reader_.refuse("unexpected " + reader_.found());
    return start;
  }
  reader_.take();
  Expression none, stop = bound(), step;
  if (reader_.skip_op(":")) step = bound();
  return make(ExprKind::slice, line, items(none, start, stop, step));
}

Expression ExpressionParser::call(Expression value) {
  const uint32_t line = reader_.current().line;
  auto list = arguments();
  Expression result = make(ExprKind::call, line, items(value));
  result->depth = std::max(result->depth, depth_of(*list) + 1);
  result->arguments = std::move(list);
  return result;
}

std::unique_ptr<ArgumentList> ExpressionParser::arguments() {
  const TokenReader::Nested nested(reader_);
  auto list = std::make_unique<ArgumentList>();
  reader_.expect_op("(");
  for (bool first = true; !reader_.is_op(")"); first = false) {
    if (!first) reader_.expect_op(",");
    if (reader_.is_op(")")) break;
    if (reader_.skip_op("*")) {
      if (list->more_positional || list->more_named) reader_.refuse("invalid syntax for function call expression");
      list->more_positional = expression();
    } else if (reader_.skip_op("**")) {
      if (list->more_named) reader_.refuse("invalid syntax for function call expression");
      list->more_named = expression();
    } else if (reader_.is(TokenType::name) && reader_.ahead().type == TokenType::op && reader_.ahead().text == "=") {
      const std::string_view name = reader_.take().text;
      reader_.take();
      list->named.emplace_back(name, expression());
    } else {
      if (!list->named.empty() || list->more_positional || list->more_named)
        reader_.refuse("invalid syntax for function call expression: a positional argument after a named one");
      list->positional.push_back(expression());
    }
  }
  reader_.expect_op(")");
  return list;
}

Expression ExpressionParser::filters_and_tests(Expression value) {
  while (true) {
    if (reader_.is_op("|")) {
      value = filters(std::move(value), false);
    } else if (reader_.is_name("is")) {
      value = test(std::move(value));
    } else if (reader_.is_op("(")) {
      value = call(std::move(value));
    } else {
      return value;
    }
  }
}

Expression ExpressionParser::filters(Expression value, bool first_is_given) {
  while (first_is_given || reader_.is_op("|")) {
    if (!std::exchange(first_is_given, false)) reader_.take();
    value = filter(std::move(value));
  }
  return value;
}

Expression ExpressionParser::filter(Expression value) {
  const Token token = reader_.current();
  const std::string_view name = reader_.expect_identifier("the name of a filter");
  Expression result = make(ExprKind::filter, token.line, items(value), name);
  if (reader_.is_op("(")) {
    result->arguments = arguments();
    result->depth = std::max(result->depth, depth_of(*result->arguments) + 1);
  }
  return result;
}

// `value is [not] name`, with arguments in brackets or one argument without.
Expression ExpressionParser::test(Expression value) {
  const uint32_t line = reader_.take().line;
  const bool negated = reader_.skip_name("not");
  const std::string_view name = reader_.expect_identifier("the name of a test");
  Expression result = make(ExprKind::test, line, items(value), name);
  const TokenType next = reader_.current().type;
  const bool starts_value = next == TokenType::string || next == TokenType::integer || next == TokenType::real ||
                            reader_.is_op("[") || reader_.is_op("{") || next == TokenType::name;
  const bool continues = reader_.is_name("else") || reader_.is_name("or") || reader_.is_name("and");
  if (reader_.is_op("(")) {
    result->arguments = arguments();
  } else if (starts_value && !continues) {
    if (reader_.is_name("is")) reader_.refuse("You cannot chain multiple tests with is");
    result->arguments = std::make_unique<ArgumentList>();
    result->arguments->positional.push_back(postfix(primary()));
  }
  if (result->arguments) result->depth = std::max(result->depth, depth_of(*result->arguments) + 1);
  if (!negated) return result;
  return make(ExprKind::negation, line, items(result));
}

Expression ExpressionParser::target() {
  Expression value = tuple(false, true);
  const auto assignable = [](const Expr& e) { return e.kind == ExprKind::name; };
  const bool fits = value->kind == ExprKind::tuple
                        ? std::all_of(value->items.begin(), value->items.end(), [&](auto& e) { return assignable(*e); })
                        : assignable(*value);
  if (!fits) reader_.refuse("cannot assign to what stands here; a name or several are needed");
  return value;
}

Expression ExpressionParser::assignment_target() {
  const bool member =
      reader_.is(TokenType::name) && reader_.ahead().type == TokenType::op && reader_.ahead().text == ".";
  if (!member) return target();
  Expression space = name(reader_.take());
  reader_.take();
  const Token token = reader_.current();
  const std::string_view member_name = reader_.expect_identifier("the name of a member");
  if (space->kind != ExprKind::name) reader_.refuse("cannot assign to a constant");
  return make(ExprKind::attribute, token.line, items(space), member_name);
}

}  // namespace ken::text::jinja
