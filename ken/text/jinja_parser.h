// The parser: expressions by precedence, statements by their tag. Private to text/.
#pragma once
#include <initializer_list>
#include <optional>

#include "ken/text/jinja_ast.h"
#include "ken/text/jinja_lexer.h"

namespace ken::text::jinja {

using Expression = std::unique_ptr<Expr>;

// The tokens still to read, and what all parse functions share: errors with their place, and the limit on nesting.
class TokenReader {
 public:
  TokenReader(const std::vector<Token>& tokens, const TemplateLimits& limits) : tokens_(tokens), limits_(limits) {}
  const Token& current() const { return tokens_[at_]; }
  const Token& ahead() const { return tokens_[std::min(at_ + 1, tokens_.size() - 1)]; }
  bool is(TokenType type) const { return current().type == type; }
  bool is_op(std::string_view op) const { return is(TokenType::op) && current().text == op; }
  bool is_name(std::string_view name) const { return is(TokenType::name) && current().text == name; }
  Token take() {
    const Token token = current();
    if (at_ + 1 < tokens_.size()) ++at_;
    return token;
  }
  bool skip_op(std::string_view op) { return is_op(op) && (take(), true); }
  bool skip_name(std::string_view name) { return is_name(name) && (take(), true); }
  void expect_op(std::string_view op);
  void expect_name(std::string_view name);
  std::string_view expect_identifier(std::string_view what);
  void expect(TokenType type, std::string_view what);
  std::string found() const;  // the current token in words
  [[noreturn]] void refuse(const std::string& text) const;
  [[noreturn]] void refuse_expected(std::string_view what) const {
    refuse(fmt::format("expected {}, got {}", what, found()));
  }

  class Nested {  // one level of expressions or blocks inside one another
   public:
    explicit Nested(TokenReader& reader) : reader_(reader) {
      if (++reader_.nesting_ > reader_.limits_.nesting) reader_.refuse_nesting();
    }
    ~Nested() { --reader_.nesting_; }

   private:
    TokenReader& reader_;
  };
  [[noreturn]] void refuse_nesting() const;
  const TemplateLimits& limits() const { return limits_; }

 private:
  const std::vector<Token>& tokens_;
  const TemplateLimits& limits_;
  size_t at_ = 0, nesting_ = 0;
};

// The parts of an expression, taken from where they were.
template <typename... T>
std::vector<Expression> items(T&&... expressions) {
  std::vector<Expression> list;
  (list.push_back(std::move(expressions)), ...);
  return list;
}

class ExpressionParser {
 public:
  ExpressionParser(TokenReader& reader, Template& result) : reader_(reader), template_(result) {}
  Expression expression(bool with_condition = true);
  // Several expressions with commas between are a tuple, also without brackets.
  Expression tuple(bool with_condition = true, bool only_primary = false);
  Expression target();                                        // what {% set %} and {% for %} may assign to
  Expression assignment_target();                             // the same, or the member of a namespace
  Expression filters(Expression value, bool first_is_given);  // the chain after |, or that of a filter block
  Expression unary(bool with_filters = true);
  std::unique_ptr<ArgumentList> arguments();
  Expression make(ExprKind kind, uint32_t line, std::vector<Expression> items = {}, std::string_view text = {});
  // Names that were read, for macros: caller, varargs and kwargs are given only where they are used.
  std::vector<Symbol> seen;

 private:
  Expression either();
  Expression both();
  Expression negation();
  Expression comparison();
  Expression sum();
  Expression concatenation();
  Expression product();
  Expression power();
  Expression primary();
  Expression name(const Token& token);
  Expression number(const Token& token);
  Expression string();
  Expression list();
  Expression dict();
  Expression bracketed();
  Expression postfix(Expression value);
  Expression dot(Expression value);
  Expression subscript(Expression value);
  Expression subscript_item();
  Expression call(Expression value);
  Expression filter(Expression value);
  Expression test(Expression value);
  Expression filters_and_tests(Expression value);
  bool ends_tuple() const;

  TokenReader& reader_;
  Template& template_;
};

}  // namespace ken::text::jinja
