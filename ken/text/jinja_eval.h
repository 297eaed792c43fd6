// The interpreter: one render of one template. Private to text/.
#pragma once
#include <ctime>
#include <functional>

#include "ken/text/jinja_ast.h"
#include "ken/text/jinja_call.h"

namespace ken::text::jinja {

// Variables of a block; a name that is not here is looked for in the parent.
struct Scope {
  std::vector<std::pair<Symbol, Value>> variables;
  std::shared_ptr<Scope> parent;
  Charge charge{100};
  const Value* find(Symbol symbol) const;
  void set(Symbol symbol, Value value);
};
using ScopeRef = std::shared_ptr<Scope>;

enum class Flow { on, break_loop, continue_loop };

class Interpreter {
 public:
  Interpreter(const Template& tree, Meter& meter, std::function<std::tm()> clock);
  ~Interpreter();
  // `variables` are given by name; throws Fault or TemplateRaised.
  std::string run(const std::vector<std::pair<std::string, Value>>& variables);

  Value call(const Value& function, const Call& call);
  Value filter(std::string_view name, const Value& value, const Call& call);
  bool test(std::string_view name, const Value& value, const Call& call);
  // A macro's body, or a recursive loop's, as text.
  Value render(const Body& body, const ScopeRef& scope);
  Value run_loop(const Stmt& loop, const Value& items, const ScopeRef& scope, size_t depth);
  Value eval(const Expr& expression, const ScopeRef& scope);
  // What may hold itself (a namespace, the scope of a macro) is emptied at the end, so that nothing stays behind.
  void keep(const ScopeRef& scope);
  void keep(const std::shared_ptr<Namespace>& space);
  void keep(std::function<void()> clear);
  uint32_t line() const { return line_; }
  const std::string& name_of(Symbol symbol) const { return tree_.names[symbol]; }
  std::optional<Symbol> symbol_of(std::string_view name) const;
  std::string now(const std::string& format) const;

 private:
  // Counts how deep evaluations stand inside one another, so that no template can use up the stack.
  class Deeper {
   public:
    explicit Deeper(Interpreter& in) : calls_(in.calls_) {
      if (calls_ >= in.meter_.limits.calls)
        fault("evaluations more than {} deep (limit: calls)", in.meter_.limits.calls);
      ++calls_;
    }
    ~Deeper() { --calls_; }

   private:
    size_t& calls_;
  };
  class Redirected;
  Flow exec(const Body& body, const ScopeRef& scope);
  Flow exec(const Stmt& statement, const ScopeRef& scope);
  Flow exec_branch(const Stmt& statement, const ScopeRef& scope);
  void exec_loop(const Stmt& loop, const Value& items, const ScopeRef& scope, size_t depth);
  Flow exec_within(const Stmt& statement, const ScopeRef& scope);
  std::vector<Value> loop_items(const Stmt& loop, const Value& items, const ScopeRef& scope);
  void define_macro(const Stmt& statement, const ScopeRef& scope);
  void call_with_block(const Stmt& statement, const ScopeRef& scope);
  void assign(const Expr& target, Value value, const ScopeRef& scope);
  void write(const Value& value);
  void count_output(size_t bytes);
  Value eval_name(const Expr& e, const ScopeRef& scope);
  Value eval_dict(const Expr& e, const ScopeRef& scope);
  Value eval_compare(const Expr& e, const ScopeRef& scope);
  Value eval_concatenate(const Expr& e, const ScopeRef& scope);
  Value eval_slice(const Expr& e, const ScopeRef& scope);
  Value eval_pair(const Expr& e, const ScopeRef& scope);
  Value eval_logic(const Expr& e, const ScopeRef& scope);
  Value eval_filters(const Expr& e, const Value& value, const ScopeRef& scope);
  std::vector<Value> eval_all(const std::vector<ExprRef>& items, const ScopeRef& scope);
  Call eval_arguments(const ArgumentList* list, const ScopeRef& scope);

  const Template& tree_;
  Meter& meter_;
  std::function<std::tm()> clock_;
  ScopeRef root_;
  std::string* out_ = nullptr;  // where output goes now: the result, or the text of a block
  size_t calls_ = 0, pending_ = 0;
  uint32_t line_ = 1;
  std::vector<std::function<void()>> kept_;
  Charge kept_charge_{0};
};

// A macro, or the body of a call block as caller().
Value make_macro(Interpreter& interpreter, const Stmt& statement, std::string name, const ScopeRef& scope);

// The variable `loop`.
class Loop final : public Object {
 public:
  Loop(Interpreter& interpreter, const Stmt& statement, ScopeRef scope, Value items, size_t depth)
      : interpreter_(interpreter),
        statement_(statement),
        scope_(std::move(scope)),
        items_(std::move(items)),
        level_(depth) {}
  std::string_view type() const override { return "LoopContext"; }
  Value get(std::string_view name) const override;
  bool callable() const override { return true; }
  Value call(Interpreter& interpreter, const Call& call) override;
  size_t depth() const override { return items_.depth() + 1; }
  size_t index = 0;

 private:
  Value item(int64_t at, std::string_view what) const;
  Value method(std::string_view name) const;
  bool changed(const Call& call);
  Interpreter& interpreter_;
  const Stmt& statement_;
  ScopeRef scope_;  // around the loop, for a recursive one
  Value items_;
  size_t level_;
  Value last_ = undefined("");
};

}  // namespace ken::text::jinja
