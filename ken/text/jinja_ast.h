// The tree of a template. Expressions and statements are each one plain struct: what a kind uses stands beside it.
// Private to text/.
#pragma once
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "ken/text/jinja_value.h"

namespace ken::text::jinja {

using Symbol = uint32_t;  // a name, as an index into Template::names

enum class ExprKind {
  constant,     // value
  name,         // symbol
  tuple,        // items
  list,         // items
  dict,         // items: key, value, key, value...
  binary,       // text: the operator; items: left, right
  compare,      // texts: the operators; items: one more
  both,         // and: items
  either,       // or: items
  negation,     // not: items[0]
  minus,        // items[0]
  plus,         // items[0]
  concatenate,  // ~: items
  conditional,  // items: value, condition, otherwise (may be missing)
  attribute,    // items[0], text
  subscript,    // items: value, key
  slice,        // items: value, start, stop, step (each may be empty)
  call,         // items[0], arguments
  filter,       // items[0] (empty in a filter block), text, arguments
  test,         // items[0], text, arguments
};

struct Expr;
using ExprRef = std::unique_ptr<const Expr>;

struct ArgumentList {
  std::vector<ExprRef> positional;
  std::vector<std::pair<std::string_view, ExprRef>> named;
  ExprRef more_positional, more_named;  // *list and **dict
};

struct Expr {
  ExprKind kind;
  uint32_t line = 0;
  uint32_t depth = 1;  // of expressions inside one another
  Symbol symbol = 0;
  std::string_view text = {};
  Value value = {};
  std::vector<ExprRef> items = {};
  std::vector<std::string_view> texts = {};
  std::unique_ptr<ArgumentList> arguments = {};
};

enum class StmtKind {
  data,          // text
  output,        // value
  branch,        // cases; otherwise
  loop,          // target, value, filter, body, otherwise; recursive
  assign,        // target, value
  capture,       // {% set x %}: target, filter, body
  macro,         // symbol, signature, body
  call_block,    // value (a call), signature, body
  filter_block,  // filter, body
  with,          // targets, values, body
  scope,         // body, in a scope of its own
  block,         // body, in a scope below the whole template's
  break_loop,
  continue_loop,
};

struct Stmt;
using StmtRef = std::unique_ptr<const Stmt>;
using Body = std::vector<StmtRef>;

struct Signature {
  std::vector<Symbol> parameters;
  std::vector<ExprRef> defaults;  // of the last parameters
  bool uses_varargs = false, uses_kwargs = false, uses_caller = false;
};

struct Stmt {
  StmtKind kind;
  uint32_t line = 0;
  std::string_view text = {};
  Symbol symbol = 0;
  ExprRef target = {}, value = {}, filter = {};
  std::vector<std::pair<ExprRef, Body>> cases = {};
  std::vector<std::pair<ExprRef, ExprRef>> bindings = {};  // of with
  Signature signature = {};
  Body body = {}, otherwise = {};
  bool recursive = false;
};

struct Template {
  std::string source;  // what the views of the tree look into
  std::vector<std::string> names;
  std::unordered_map<std::string, Symbol> symbols;
  Body body;
  Symbol intern(std::string_view name) {
    const auto [place, fresh] = symbols.emplace(name, Symbol(names.size()));
    if (fresh) names.emplace_back(name);
    return place->second;
  }
};

// Throws Error with the line and what stands there.
std::unique_ptr<const Template> parse(std::string_view source, const TemplateLimits& limits);

}  // namespace ken::text::jinja
