// Values of a template: a small variant with Python's semantics. They are immutable, as in Jinja2's sandbox, but for
// namespaces; so a container is never inside itself unless a namespace or a macro stands between. Private to text/.
#pragma once
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <variant>
#include <vector>

#include "ken/text/jinja_meter.h"

namespace ken::text::jinja {

class Value;
struct Text;
struct List;
struct Dict;
class Object;

struct None {};
struct Undefined {
  std::shared_ptr<const std::string> why;  // what an operation on it says
};

using TextRef = std::shared_ptr<const Text>;
using ListRef = std::shared_ptr<const List>;
using DictRef = std::shared_ptr<const Dict>;
using ObjectRef = std::shared_ptr<Object>;

class Value {
 public:
  Value() : data_(None{}) {}
  Value(bool value) : data_(value) {}
  Value(int64_t value) : data_(value) {}
  Value(int value) : data_(int64_t{value}) {}
  Value(size_t value) : data_(int64_t(value)) {}
  Value(double value) : data_(value) {}
  Value(std::string text, bool markup = false);
  Value(std::string_view text) : Value(std::string(text)) {}
  Value(const char* text) : Value(std::string(text)) {}
  Value(Undefined value) : data_(std::move(value)) {}
  Value(ListRef list) : data_(std::move(list)) {}
  Value(DictRef dict) : data_(std::move(dict)) {}
  Value(ObjectRef object) : data_(std::move(object)) {}

  template <typename T>
  bool is() const {
    return std::holds_alternative<T>(data_);
  }
  bool is_text() const { return is<TextRef>(); }
  bool is_list() const { return is<ListRef>(); }
  bool is_dict() const { return is<DictRef>(); }
  bool is_undefined() const { return is<Undefined>(); }
  bool is_none() const { return is<None>(); }
  bool is_integer() const { return is<int64_t>() || is<bool>(); }  // Python's bool is an int
  bool is_number() const { return is_integer() || is<double>(); }

  const std::string& text() const;  // of a string
  bool markup() const;              // a string that `safe` or `escape` made
  const List& list() const { return *std::get<ListRef>(data_); }
  const Dict& dict() const { return *std::get<DictRef>(data_); }
  Object& object() const { return *std::get<ObjectRef>(data_); }
  const ObjectRef& object_ref() const { return std::get<ObjectRef>(data_); }
  int64_t integer() const { return is<bool>() ? int64_t{std::get<bool>(data_)} : std::get<int64_t>(data_); }
  double number() const { return is<double>() ? std::get<double>(data_) : double(integer()); }
  const std::string& why() const { return *std::get<Undefined>(data_).why; }
  bool same(const Value& other) const;  // Python's `is`
  size_t depth() const;                 // of containers inside one another

 private:
  std::variant<None, Undefined, bool, int64_t, double, TextRef, ListRef, DictRef, ObjectRef> data_;
};

struct Text {
  std::string bytes;  // UTF-8
  bool markup;
  Charge charge;
  Text(std::string text, bool is_markup) : bytes(std::move(text)), markup(is_markup), charge(bytes.size() + 80) {}
};

// Everything that is a sequence of values; the form says what Python would call it.
enum class Form { list, tuple, range, generator, keys, values, items };

struct List {
  std::vector<Value> items;
  Form form;
  size_t depth;
  Charge charge;
  mutable bool spent = false;  // a generator gives its items once
  List(std::vector<Value> values, Form as);
};
Value make_list(std::vector<Value> items, Form form = Form::list);

struct Dict {
  std::vector<std::pair<Value, Value>> items;  // in the order of insertion
  size_t depth = 1;
  Charge charge{100};
  const Value* find(const Value& key) const;
  const Value* find(std::string_view key) const;
  void set(const Value& key, const Value& value);

 private:
  size_t position(const Value& key) const;
  std::unordered_map<std::string_view, size_t> index_;  // string keys
  bool has_other_keys_ = false;
};

class Interpreter;
struct Call;

// What is neither data nor a number: functions, macros, namespaces, the loop variable.
class Object : public std::enable_shared_from_this<Object> {
 public:
  virtual ~Object() = default;
  virtual std::string_view type() const = 0;
  virtual Value get(std::string_view name) const;  // an attribute; undefined by default
  virtual bool callable() const { return false; }
  virtual Value call(Interpreter&, const Call&);
  virtual size_t depth() const { return 1; }
  Charge charge{160};
};

Value undefined(std::string why);
// What an operation on an undefined value throws; nothing for another value.
void require_defined(const Value& value);

std::string_view type_name(const Value& value);
bool truth(const Value& value);
bool equal(const Value& a, const Value& b);
bool less(const Value& a, const Value& b, std::string_view op = "<");  // throws for types without an order
bool contains(const Value& container, const Value& item);
// str(value) and repr(value)
Value to_text(const Value& value);
void append_text(std::string& out, const Value& value);
void append_repr(std::string& out, const Value& value);
std::string float_text(double value);
// The items that a loop over the value gives; throws when it is not iterable.
std::vector<Value> iterate(const Value& value);
bool iterable(const Value& value);
size_t length(const Value& value);

Value binary(std::string_view op, const Value& a, const Value& b);  // + - * / // % **
Value negate(const Value& value);
Value slice(const Value& value, const Value& start, const Value& stop, const Value& step);
Value subscript(const Value& value, const Value& key);
Value attribute(const Value& value, std::string_view name);
Value escape(const Value& value);                          // HTML, as Markup
Value percent(const Value& format, const Value& operand);  // the string operator %

}  // namespace ken::text::jinja
