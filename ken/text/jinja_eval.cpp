// Statements: what each does to the scope and to the output.
#include "ken/text/jinja_eval.h"

namespace ken::text::jinja {

const Value* Scope::find(Symbol symbol) const {
  for (const Scope* scope = this; scope; scope = scope->parent.get()) {
    step(scope->variables.size() / 32);
    for (const auto& [name, value] : scope->variables)
      if (name == symbol) return &value;
  }
  return nullptr;
}

void Scope::set(Symbol symbol, Value value) {
  for (auto& [name, old] : variables)
    if (name == symbol) {
      std::swap(old, value);
      return;
    }
  charge.add(sizeof(Value) + 16);
  variables.emplace_back(symbol, std::move(value));
}

Interpreter::Interpreter(const Template& tree, Meter& meter, std::function<std::tm()> clock)
    : tree_(tree), meter_(meter), clock_(std::move(clock)), root_(std::make_shared<Scope>()) {}

Interpreter::~Interpreter() {
  for (const auto& clear : kept_) clear();
}

void Interpreter::keep(std::function<void()> clear) {
  kept_charge_.add(64);
  kept_.push_back(std::move(clear));
}
void Interpreter::keep(const ScopeRef& scope) {
  keep([scope] { scope->variables.clear(); });
}
void Interpreter::keep(const std::shared_ptr<Namespace>& space) {
  keep([space] { space->members.items.clear(); });
}

std::optional<Symbol> Interpreter::symbol_of(std::string_view name) const {
  const auto found = tree_.symbols.find(std::string(name));
  return found == tree_.symbols.end() ? std::nullopt : std::optional(found->second);
}

std::string Interpreter::now(const std::string& format) const { return format_time(clock_(), format); }

std::string Interpreter::run(const std::vector<std::pair<std::string, Value>>& variables) {
  for (const auto& [name, value] : global_functions())
    if (const auto symbol = symbol_of(name)) root_->set(*symbol, value);
  if (const auto symbol = symbol_of("namespace"))
    root_->set(*symbol, make_function("namespace", [](Interpreter& in, const Call& call) -> Value {
      auto space = std::make_shared<Namespace>();
      in.keep(space);
      const Value dict = make_dict(in, call);
      for (const auto& [key, value] : dict.dict().items) space->members.set(key, value);
      return ObjectRef(std::move(space));
    }));
  if (const auto symbol = symbol_of("strftime_now"))
    root_->set(*symbol, make_function("strftime_now", [](Interpreter& in, const Call& call) -> Value {
      return in.now(Arguments("strftime_now", call, {"format"}).text(0));
    }));
  for (const auto& [name, value] : variables)
    if (const auto symbol = symbol_of(name)) root_->set(*symbol, value);
  std::string out;
  out_ = &out;
  exec(tree_.body, root_);
  return out;
}

// Texts of macros that are not finished count, too.
void Interpreter::write(const Value& value) {
  const Value text = to_text(value);
  count_output(text.text().size());
  out_->append(text.text());
}

void Interpreter::count_output(size_t bytes) {
  pending_ += bytes;
  if (pending_ > meter_.limits.output) fault("the output has more than {} bytes (limit: output)", meter_.limits.output);
}

// Where output goes, and how much of it waits, as they were before: also when an error passes.
class Interpreter::Redirected {
 public:
  explicit Redirected(Interpreter& in) : in_(in), out_(std::exchange(in.out_, &text)), pending_(in.pending_) {}
  ~Redirected() {
    in_.out_ = out_;
    in_.pending_ = pending_;
  }
  std::string text;

 private:
  Interpreter& in_;
  std::string* out_;
  size_t pending_;
};

Value Interpreter::render(const Body& body, const ScopeRef& scope) {
  Redirected redirected(*this);
  exec(body, scope);
  return std::move(redirected.text);
}

Flow Interpreter::exec(const Body& body, const ScopeRef& scope) {
  for (const auto& statement : body)
    if (const Flow flow = exec(*statement, scope); flow != Flow::on) return flow;
  return Flow::on;
}

namespace {
ScopeRef inner(const ScopeRef& parent) {
  auto scope = std::make_shared<Scope>();
  scope->parent = parent;
  return scope;
}
}  // namespace

Flow Interpreter::exec(const Stmt& s, const ScopeRef& scope) {
  const Deeper deeper(*this);
  step();
  line_ = s.line;
  switch (s.kind) {
    case StmtKind::data:
      step_bytes(s.text.size());
      count_output(s.text.size());
      out_->append(s.text);
      return Flow::on;
    case StmtKind::output:
      write(eval(*s.value, scope));
      return Flow::on;
    case StmtKind::branch:
      return exec_branch(s, scope);
    case StmtKind::loop:
      exec_loop(s, eval(*s.value, scope), scope, 1);
      return Flow::on;
    case StmtKind::assign:
      assign(*s.target, eval(*s.value, scope), scope);
      return Flow::on;
    case StmtKind::macro:
      define_macro(s, scope);
      return Flow::on;
    case StmtKind::call_block:
      call_with_block(s, scope);
      return Flow::on;
    case StmtKind::break_loop:
      return Flow::break_loop;
    case StmtKind::continue_loop:
      return Flow::continue_loop;
    default:
      return exec_within(s, scope);
  }
}

Flow Interpreter::exec_branch(const Stmt& s, const ScopeRef& scope) {
  for (const auto& [condition, body] : s.cases)
    if (truth(eval(*condition, scope))) return exec(body, scope);
  return exec(s.otherwise, scope);
}

// Tags whose body has a scope of its own.
Flow Interpreter::exec_within(const Stmt& s, const ScopeRef& scope) {
  const ScopeRef own = inner(s.kind == StmtKind::block ? root_ : scope);
  for (const auto& [target, value] : s.bindings) assign(*target, eval(*value, scope), own);
  if (s.kind == StmtKind::with || s.kind == StmtKind::scope || s.kind == StmtKind::block) return exec(s.body, own);
  Value text = render(s.body, own);
  if (s.filter) text = eval_filters(*s.filter, text, scope);
  if (s.kind == StmtKind::capture) {
    assign(*s.target, std::move(text), scope);
  } else {
    write(text);
  }
  return Flow::on;
}

std::vector<Value> Interpreter::loop_items(const Stmt& loop, const Value& items, const ScopeRef& scope) {
  std::vector<Value> all = iterate(items);
  if (!loop.filter) return all;
  std::vector<Value> chosen;
  for (Value& item : all) {
    const ScopeRef own = inner(scope);
    assign(*loop.target, item, own);
    if (truth(eval(*loop.filter, own))) chosen.push_back(std::move(item));
  }
  return chosen;
}

void Interpreter::exec_loop(const Stmt& loop, const Value& items, const ScopeRef& scope, size_t depth) {
  const Value all = make_list(loop_items(loop, items, scope));
  static const std::string loop_name = "loop";
  const auto symbol = symbol_of(loop_name);
  const auto state = std::make_shared<Loop>(*this, loop, loop.recursive ? scope : nullptr, all, depth);
  if (loop.recursive) keep(scope);
  ScopeRef own;
  bool finished = false;  // as in Jinja2, a body that always leaves early counts as none
  for (const Value& item : all.list().items) {
    step();
    if (own && own.use_count() == 1) {
      own->variables.clear();
    } else {
      own = inner(scope);
    }
    if (symbol) own->set(*symbol, ObjectRef(state));
    assign(*loop.target, item, own);
    const Flow flow = exec(loop.body, own);
    ++state->index;
    if (flow == Flow::break_loop) break;
    finished = finished || flow == Flow::on;
  }
  if (!finished) exec(loop.otherwise, inner(scope));
}

Value Interpreter::run_loop(const Stmt& loop, const Value& items, const ScopeRef& scope, size_t depth) {
  const Deeper deeper(*this);
  Redirected redirected(*this);
  exec_loop(loop, items, scope, depth);
  return std::move(redirected.text);
}

void Interpreter::define_macro(const Stmt& s, const ScopeRef& scope) {
  scope->set(s.symbol, make_macro(*this, s, name_of(s.symbol), scope));
}

void Interpreter::call_with_block(const Stmt& s, const ScopeRef& scope) {
  const Value function = eval(*s.value->items[0], scope);
  Call arguments = eval_arguments(s.value->arguments.get(), scope);
  arguments.named.emplace_back("caller", make_macro(*this, s, "caller", scope));
  line_ = s.line;
  write(call(function, arguments));
}

void Interpreter::assign(const Expr& target, Value value, const ScopeRef& scope) {
  if (target.kind == ExprKind::name) return scope->set(target.symbol, std::move(value));
  if (target.kind == ExprKind::attribute) {
    const Value space = eval(*target.items[0], scope);
    auto* names = space.is<ObjectRef>() ? dynamic_cast<Namespace*>(&space.object()) : nullptr;
    if (!names) fault("cannot assign attribute on non-namespace object");
    return names->members.set(Value(target.text), value);
  }
  const std::vector<Value> parts = iterate(value);
  if (parts.size() < target.items.size())
    fault("not enough values to unpack (expected {}, got {})", target.items.size(), parts.size());
  if (parts.size() > target.items.size()) fault("too many values to unpack (expected {})", target.items.size());
  for (size_t i = 0; i < parts.size(); ++i) assign(*target.items[i], parts[i], scope);
}

}  // namespace ken::text::jinja
