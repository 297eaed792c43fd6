// Expressions, in Jinja2's order of precedence (which differs from Python's: a filter binds before a power, a sign
// before both, ~ between + and *).
#include <algorithm>

#include "ken/text/jinja_parser.h"
#include "ken/text/jinja_strings.h"

namespace ken::text::jinja {
namespace {

// The characters that an escape of so many digits stands for; nothing when it is cut short.
std::optional<char32_t> code_of(std::string_view digits, size_t count, int base) {
  const std::string text(digits.substr(0, count));
  if (text.size() < count || text.find_first_not_of("0123456789abcdefABCDEF") != text.npos) return std::nullopt;
  const auto value = parse_integer(text, base);
  return value && *value <= 0x10FFFF && (*value < 0xD800 || *value > 0xDFFF) ? std::optional(char32_t(*value))
                                                                             : std::nullopt;
}

// Python's escapes in a string; an unknown one stands as it is.
std::string unescape(const TokenReader& reader, std::string_view text) {
  static constexpr std::string_view letters = "\\'\"abfnrtv", meanings = "\\'\"\a\b\f\n\r\t\v";
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\' || i + 1 == text.size()) {
      out += text[i];
      continue;
    }
    const char c = text[++i];
    const size_t digits = c == 'x' ? 2 : c == 'u' ? 4 : c == 'U' ? 8 : 0;
    if (const size_t known = letters.find(c); known != letters.npos) {
      out += meanings[known];
    } else if (digits) {
      const auto code = code_of(text.substr(i + 1), digits, 16);
      if (!code) reader.refuse(fmt::format("\\{} needs {} hexadecimal digits of a character", c, digits));
      out += utf8(*code);
      i += digits;
    } else if (c >= '0' && c <= '7') {
      size_t count = 1;
      while (count < 3 && i + count < text.size() && text[i + count] >= '0' && text[i + count] <= '7') ++count;
      out += utf8(char32_t(*parse_integer(text.substr(i, count), 8)));
      i += count - 1;
    } else if (c == 'N') {
      reader.refuse("\\N{...} is not supported; write the character itself");
    } else if (c != '\n') {
      out += '\\';
      out += c;
    }
  }
  return out;
}

}  // namespace

Expression ExpressionParser::make(ExprKind kind, uint32_t line, std::vector<Expression> parts, std::string_view text) {
  auto result = std::make_unique<Expr>();
  result->kind = kind;
  result->line = line;
  result->text = text;
  for (Expression& part : parts) {
    if (part) result->depth = std::max(result->depth, part->depth + 1);
    result->items.push_back(std::move(part));
  }
  // A long chain such as a+a+a is deep without any bracket.
  if (result->depth > reader_.limits().nesting) reader_.refuse_nesting();
  return result;
}

Expression ExpressionParser::expression(bool with_condition) {
  const TokenReader::Nested nested(reader_);
  Expression value = either();
  while (with_condition && reader_.is_name("if")) {
    const uint32_t line = reader_.take().line;
    Expression condition = either(), otherwise;
    if (reader_.skip_name("else")) otherwise = expression();
    value = make(ExprKind::conditional, line, items(value, condition, otherwise));
  }
  return value;
}

Expression ExpressionParser::either() {
  Expression left = both();
  if (!reader_.is_name("or")) return left;
  std::vector<Expression> parts = items(left);
  const uint32_t line = reader_.current().line;
  while (reader_.skip_name("or")) parts.push_back(both());
  return make(ExprKind::either, line, std::move(parts));
}

Expression ExpressionParser::both() {
  Expression left = negation();
  if (!reader_.is_name("and")) return left;
  std::vector<Expression> parts = items(left);
  const uint32_t line = reader_.current().line;
  while (reader_.skip_name("and")) parts.push_back(negation());
  return make(ExprKind::both, line, std::move(parts));
}

Expression ExpressionParser::negation() {
  if (!reader_.is_name("not")) return comparison();
  const TokenReader::Nested nested(reader_);
  const uint32_t line = reader_.take().line;
  Expression value = negation();
  return make(ExprKind::negation, line, items(value));
}

Expression ExpressionParser::comparison() {
  static constexpr std::string_view operators[] = {"==", "!=", "<", "<=", ">", ">="};
  Expression left = sum();
  std::vector<Expression> parts = items(left);
  std::vector<std::string_view> names;
  const uint32_t line = reader_.current().line;
  while (true) {
    const Token& token = reader_.current();
    if (token.type == TokenType::op &&
        std::find(std::begin(operators), std::end(operators), token.text) != std::end(operators)) {
      names.push_back(reader_.take().text);
    } else if (reader_.skip_name("in")) {
      names.push_back("in");
    } else if (reader_.is_name("not") && reader_.ahead().type == TokenType::name && reader_.ahead().text == "in") {
      reader_.take();
      reader_.take();
      names.push_back("not in");
    } else {
      break;
    }
    parts.push_back(sum());
  }
  if (names.empty()) return std::move(parts[0]);
  Expression result = make(ExprKind::compare, line, std::move(parts));
  result->texts = std::move(names);
  return result;
}

Expression ExpressionParser::sum() {
  Expression left = concatenation();
  while (reader_.is_op("+") || reader_.is_op("-")) {
    const Token op = reader_.take();
    Expression right = concatenation();
    left = make(ExprKind::binary, op.line, items(left, right), op.text);
  }
  return left;
}

Expression ExpressionParser::concatenation() {
  Expression left = product();
  if (!reader_.is_op("~")) return left;
  std::vector<Expression> parts = items(left);
  const uint32_t line = reader_.current().line;
  while (reader_.skip_op("~")) parts.push_back(product());
  return make(ExprKind::concatenate, line, std::move(parts));
}

Expression ExpressionParser::product() {
  Expression left = power();
  while (reader_.is_op("*") || reader_.is_op("/") || reader_.is_op("//") || reader_.is_op("%")) {
    const Token op = reader_.take();
    Expression right = power();
    left = make(ExprKind::binary, op.line, items(left, right), op.text);
  }
  return left;
}

Expression ExpressionParser::power() {
  Expression left = unary();
  while (reader_.is_op("**")) {
    const Token op = reader_.take();
    Expression right = unary();
    left = make(ExprKind::binary, op.line, items(left, right), op.text);
  }
  return left;
}

Expression ExpressionParser::unary(bool with_filters) {
  Expression value;
  if (reader_.is_op("-") || reader_.is_op("+")) {
    const TokenReader::Nested nested(reader_);
    const Token sign = reader_.take();
    Expression operand = unary(false);
    value = make(sign.text == "-" ? ExprKind::minus : ExprKind::plus, sign.line, items(operand));
  } else {
    value = primary();
  }
  value = postfix(std::move(value));
  return with_filters ? filters_and_tests(std::move(value)) : std::move(value);
}

Expression ExpressionParser::primary() {
  const Token token = reader_.current();
  if (token.type == TokenType::name) return name(reader_.take());
  if (token.type == TokenType::integer || token.type == TokenType::real) return number(reader_.take());
  if (token.type == TokenType::string) return string();
  if (reader_.is_op("(")) return bracketed();
  if (reader_.is_op("[")) return list();
  if (reader_.is_op("{")) return dict();
  reader_.refuse("unexpected " + reader_.found());
}

Expression ExpressionParser::name(const Token& token) {
  const std::string_view text = token.text;
  Expression result = make(ExprKind::constant, token.line);
  if (text == "true" || text == "True" || text == "false" || text == "False") {
    result->value = text[0] == 't' || text[0] == 'T';
  } else if (text != "none" && text != "None") {
    result->kind = ExprKind::name;
    result->symbol = template_.intern(text);
    seen.push_back(result->symbol);
  }
  return result;
}

Expression ExpressionParser::number(const Token& token) {
  Expression result = make(ExprKind::constant, token.line);
  const std::string_view text = token.text;
  if (token.type == TokenType::real) {
    result->value = parse_float(text).value_or(0);
    return result;
  }
  if (text.size() > 1 && text[0] == '0' && text.find_first_not_of("0_") != text.npos && std::isdigit(text[1]))
    reader_.refuse(fmt::format("the number {} begins with 0", text.substr(0, 40)));
  try {
    result->value = parse_integer(text, 0).value_or(0);
  } catch (const Fault& fault) {
    reader_.refuse(fault.what());
  }
  return result;
}

Expression ExpressionParser::string() {
  Expression result = make(ExprKind::constant, reader_.current().line);
  std::string text;  // strings beside one another are one
  while (reader_.is(TokenType::string)) text += unescape(reader_, reader_.take().text);
  result->value = Value(std::move(text));
  return result;
}

Expression ExpressionParser::bracketed() {
  const TokenReader::Nested nested(reader_);
  const uint32_t line = reader_.take().line;
  Expression value = reader_.is_op(")") ? make(ExprKind::tuple, line) : tuple();
  reader_.expect_op(")");
  return value;
}

Expression ExpressionParser::list() {
  const uint32_t line = reader_.take().line;
  std::vector<Expression> parts;
  while (!reader_.is_op("]")) {
    if (!parts.empty()) reader_.expect_op(",");
    if (reader_.is_op("]")) break;
    parts.push_back(expression());
  }
  reader_.expect_op("]");
  return make(ExprKind::list, line, std::move(parts));
}

Expression ExpressionParser::dict() {
  const uint32_t line = reader_.take().line;
  std::vector<Expression> parts;
  while (!reader_.is_op("}")) {
    if (!parts.empty()) reader_.expect_op(",");
    if (reader_.is_op("}")) break;
    parts.push_back(expression());
    reader_.expect_op(":");
    parts.push_back(expression());
  }
  reader_.expect_op("}");
  return make(ExprKind::dict, line, std::move(parts));
}

bool ExpressionParser::ends_tuple() const {
  const TokenType type = reader_.current().type;
  return type == TokenType::output_end || type == TokenType::block_end || type == TokenType::end ||
         reader_.is_op(")") || reader_.is_op("]") || reader_.is_op("=") || reader_.is_name("in") ||
         reader_.is_name("recursive");
}

Expression ExpressionParser::tuple(bool with_condition, bool only_primary) {
  const uint32_t line = reader_.current().line;
  std::vector<Expression> parts;
  bool is_tuple = false;
  do {
    if (!parts.empty() && ends_tuple()) break;
    parts.push_back(only_primary ? primary() : expression(with_condition));
    is_tuple = is_tuple || reader_.is_op(",");
  } while (reader_.skip_op(","));
  return is_tuple ? make(ExprKind::tuple, line, std::move(parts)) : std::move(parts[0]);
}

}  // namespace ken::text::jinja
