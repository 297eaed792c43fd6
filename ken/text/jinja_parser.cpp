// Statements: one function for each tag.
#include "ken/text/jinja_parser.h"

#include <algorithm>

namespace ken::text::jinja {

void TokenReader::refuse(const std::string& text) const { fail("template", "line {}: {}", current().line, text); }

void TokenReader::refuse_nesting() const {
  refuse(fmt::format("expressions or blocks nested more than {} deep (limit: nesting)", limits_.nesting));
}

std::string TokenReader::found() const {
  switch (current().type) {
    case TokenType::end:
      return "the end of the template";
    case TokenType::data:
      return "text";
    case TokenType::string:
      return fmt::format("the string '{}'", current().text.substr(0, 40));
    default:
      return fmt::format("'{}'", current().text.substr(0, 40));
  }
}

void TokenReader::expect_op(std::string_view op) {
  if (!skip_op(op)) refuse_expected(fmt::format("'{}'", op));
}
void TokenReader::expect_name(std::string_view name) {
  if (!skip_name(name)) refuse_expected(fmt::format("'{}'", name));
}
std::string_view TokenReader::expect_identifier(std::string_view what) {
  if (!is(TokenType::name)) refuse_expected(what);
  return take().text;
}
void TokenReader::expect(TokenType type, std::string_view what) {
  if (!is(type)) refuse_expected(what);
  take();
}

namespace {

using Names = std::initializer_list<std::string_view>;
using Statement = std::unique_ptr<Stmt>;

class StatementParser {
 public:
  StatementParser(TokenReader& reader, Template& result)
      : reader_(reader), expressions_(reader, result), template_(result) {}

  Body run() {
    Body body = statements({});
    return body;
  }

 private:
  static Statement make(StmtKind kind, uint32_t line) {
    auto result = std::make_unique<Stmt>();
    result->kind = kind;
    result->line = line;
    return result;
  }

  // Up to a tag with one of the names (which is not read), or to the end of the template when there are none.
  Body statements(Names ends) {
    const TokenReader::Nested nested(reader_);
    Body body;
    while (true) {
      const Token token = reader_.current();
      if (token.type == TokenType::data) {
        Statement data = make(StmtKind::data, token.line);
        data->text = reader_.take().text;
        body.push_back(std::move(data));
      } else if (token.type == TokenType::output_begin) {
        body.push_back(output());
      } else if (token.type == TokenType::block_begin) {
        reader_.take();
        if (std::any_of(ends.begin(), ends.end(), [&](auto name) { return reader_.is_name(name); })) return body;
        body.push_back(tag());
      } else if (ends.size() == 0) {
        return body;
      } else {
        reader_.refuse(fmt::format("the template ends without {{% {} %}}", *(ends.end() - 1)));
      }
    }
  }

  void end_tag() { reader_.expect(TokenType::block_end, "the end of the tag"); }

  // The statements of a block tag, with its end tag.
  Body block_body(std::string_view end) {
    end_tag();
    Body body = statements({end});
    reader_.take();
    return body;
  }

  Statement output() {
    Statement result = make(StmtKind::output, reader_.take().line);
    result->value = expressions_.tuple();
    reader_.expect(TokenType::output_end, "the end of the output");
    return result;
  }

  Statement tag() {
    using Parse = Statement (StatementParser::*)(uint32_t);
    static const std::unordered_map<std::string_view, Parse> tags{
        {"if", &StatementParser::branch},
        {"for", &StatementParser::loop},
        {"set", &StatementParser::set},
        {"macro", &StatementParser::macro},
        {"call", &StatementParser::call_block},
        {"filter", &StatementParser::filter_block},
        {"with", &StatementParser::with},
        {"generation", &StatementParser::generation},
        {"block", &StatementParser::named_block},
        {"print", &StatementParser::print},
        {"break", &StatementParser::break_loop},
        {"continue", &StatementParser::continue_loop},
        {"include", &StatementParser::other_file},
        {"import", &StatementParser::other_file},
        {"from", &StatementParser::other_file},
        {"extends", &StatementParser::other_file},
    };
    const Token token = reader_.current();
    if (token.type != TokenType::name) reader_.refuse_expected("the name of a tag");
    const auto found = tags.find(token.text);
    if (found == tags.end()) reader_.refuse(fmt::format("unknown tag '{}'", token.text.substr(0, 40)));
    reader_.take();
    Statement result = (this->*found->second)(token.line);
    end_tag();
    return result;
  }

  // The end of a block, before it what else there may be.
  void otherwise(Stmt& block, std::string_view end) {
    if (reader_.skip_name("else")) {
      end_tag();
      block.otherwise = statements({end});
    }
    reader_.expect_name(end);
  }

  Statement branch(uint32_t line) {
    Statement result = make(StmtKind::branch, line);
    do {
      ExprRef condition = expressions_.tuple(false);
      end_tag();
      result->cases.emplace_back(std::move(condition), statements({"elif", "else", "endif"}));
    } while (reader_.skip_name("elif"));
    otherwise(*result, "endif");
    return result;
  }

  Statement loop(uint32_t line) {
    Statement result = make(StmtKind::loop, line);
    result->target = expressions_.target();
    reader_.expect_name("in");
    result->value = expressions_.tuple(false);
    if (reader_.skip_name("if")) result->filter = expressions_.expression();
    result->recursive = reader_.skip_name("recursive");
    end_tag();
    ++loops_;
    result->body = statements({"else", "endfor"});
    --loops_;
    otherwise(*result, "endfor");
    return result;
  }

  Statement set(uint32_t line) {
    Statement result = make(StmtKind::assign, line);
    result->target = expressions_.assignment_target();
    if (reader_.skip_op("=")) {
      result->value = expressions_.tuple();
      return result;
    }
    result->kind = StmtKind::capture;
    if (result->target->kind == ExprKind::tuple) reader_.refuse_expected("'='");
    if (reader_.is_op("|")) result->filter = expressions_.filters(nullptr, false);
    result->body = apart("endset");
    return result;
  }

  // A body outside of the loop around it: break and continue do not reach through it.
  Body apart(std::string_view end) {
    const size_t loops = std::exchange(loops_, 0);
    Body body = block_body(end);
    loops_ = loops;
    return body;
  }

  Signature signature() {
    Signature result;
    reader_.expect_op("(");
    while (!reader_.is_op(")")) {
      if (!result.parameters.empty()) reader_.expect_op(",");
      result.parameters.push_back(template_.intern(reader_.expect_identifier("the name of a parameter")));
      if (reader_.skip_op("=")) {
        result.defaults.push_back(expressions_.expression());
      } else if (!result.defaults.empty()) {
        reader_.refuse("a parameter without a default follows one with a default");
      }
    }
    reader_.expect_op(")");
    return result;
  }

  // The body of a macro, and whether it uses what a macro is given only on demand.
  Body macro_body(std::string_view end, Signature& signature) {
    const size_t first = expressions_.seen.size();
    Body body = apart(end);
    const auto uses = [&](std::string_view name) {
      const Symbol symbol = template_.intern(name);
      return std::find(expressions_.seen.begin() + ptrdiff_t(first), expressions_.seen.end(), symbol) !=
             expressions_.seen.end();
    };
    signature.uses_varargs = uses("varargs");
    signature.uses_kwargs = uses("kwargs");
    signature.uses_caller = uses("caller");
    return body;
  }

  Statement macro(uint32_t line) {
    Statement result = make(StmtKind::macro, line);
    result->symbol = template_.intern(reader_.expect_identifier("the name of a macro"));
    result->signature = signature();
    result->body = macro_body("endmacro", result->signature);
    return result;
  }

  Statement call_block(uint32_t line) {
    Statement result = make(StmtKind::call_block, line);
    if (reader_.is_op("(")) result->signature = signature();
    result->value = expressions_.unary(false);
    if (result->value->kind != ExprKind::call) reader_.refuse_expected("a call");
    result->body = macro_body("endcall", result->signature);
    return result;
  }

  Statement filter_block(uint32_t line) {
    Statement result = make(StmtKind::filter_block, line);
    result->filter = expressions_.filters(nullptr, true);
    result->body = apart("endfilter");
    return result;
  }

  Statement with(uint32_t line) {
    Statement result = make(StmtKind::with, line);
    while (!reader_.is(TokenType::block_end)) {
      if (!result->bindings.empty()) reader_.expect_op(",");
      ExprRef target = expressions_.target();
      reader_.expect_op("=");
      result->bindings.emplace_back(std::move(target), expressions_.expression());
    }
    result->body = block_body("endwith");
    return result;
  }

  Statement generation(uint32_t line) {
    Statement result = make(StmtKind::scope, line);
    result->body = apart("endgeneration");
    return result;
  }

  Statement named_block(uint32_t line) {
    Statement result = make(StmtKind::block, line);
    reader_.expect_identifier("the name of a block");
    reader_.skip_name("scoped");
    reader_.skip_name("required");
    result->body = apart("endblock");
    if (reader_.is(TokenType::name)) reader_.take();
    return result;
  }

  Statement print(uint32_t line) {
    Statement result = make(StmtKind::output, line);
    result->value = expressions_.tuple();
    return result;
  }

  Statement break_loop(uint32_t line) { return leave(StmtKind::break_loop, line, "break"); }
  Statement continue_loop(uint32_t line) { return leave(StmtKind::continue_loop, line, "continue"); }
  Statement leave(StmtKind kind, uint32_t line, std::string_view name) {
    if (loops_ == 0) reader_.refuse(fmt::format("'{}' outside loop", name));
    return make(kind, line);
  }

  Statement other_file(uint32_t) { reader_.refuse("a chat template cannot use other templates"); }

  TokenReader& reader_;
  ExpressionParser expressions_;
  Template& template_;
  size_t loops_ = 0;
};

}  // namespace

std::unique_ptr<const Template> parse(std::string_view source, const TemplateLimits& limits) {
  if (source.size() > limits.source)
    fail("template", "the template has {} bytes; at most {} are read (limit: source)", source.size(), limits.source);
  auto result = std::make_unique<Template>();
  result->source = normalise(source);
  const std::vector<Token> tokens = tokenize(result->source, limits);
  TokenReader reader(tokens, limits);
  result->body = StatementParser(reader, *result).run();
  return result;
}

}  // namespace ken::text::jinja
