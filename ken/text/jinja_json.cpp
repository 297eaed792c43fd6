// JSON in and out: tojson writes what Python's json.dumps writes with the arguments that transformers passes on.
#include <algorithm>
#include <cmath>

#include "ken/text/bytes.h"
#include "ken/text/jinja_call.h"
#include "ken/text/jinja_strings.h"

namespace ken::text::jinja {
namespace {

class JsonWriter {
 public:
  explicit JsonWriter(const Call& call) {
    const Arguments arguments("tojson", call, {"ensure_ascii", "indent", "separators", "sort_keys"});
    ascii_ = arguments.flag(0, false);
    sorted_ = arguments.flag(3, false);
    const Value indent = arguments.get(1, Value());
    indented_ = !indent.is_none();
    if (indented_ && indent.is_text()) {
      margin_ = indent.text();
    } else if (indented_) {
      const int64_t width = arguments.integer(1);
      check_text(size_t(std::max<int64_t>(width, 0)));
      margin_ = std::string(size_t(std::max<int64_t>(width, 0)), ' ');
    }
    between_ = indented_ ? "," : ", ";
    if (!arguments.has(2) || arguments.at(2).is_none()) return;
    const auto marks = iterate(arguments.at(2));
    if (marks.size() != 2 || !marks[0].is_text() || !marks[1].is_text()) fault("separators must be two strings");
    between_ = marks[0].text();
    after_key_ = marks[1].text();
  }

  std::string write(const Value& value) {
    put(value);
    return std::move(out_);
  }

 private:
  void put(const Value& value) {
    step();
    if (value.is_text()) {
      put_text(value.text());
    } else if (value.is_none()) {
      out_ += "null";
    } else if (value.is<bool>()) {
      out_ += value.integer() ? "true" : "false";
    } else if (value.is<int64_t>()) {
      out_ += fmt::format("{}", value.integer());
    } else if (value.is<double>()) {
      out_ += number(value.number());
    } else if (value.is_dict()) {
      put_dict(value.dict());
    } else if (value.is_list() && value.list().form <= Form::tuple) {
      put_list(value.list().items);
    } else {
      fault("Object of type {} is not JSON serializable", type_name(value));
    }
    check_text(out_.size());
  }

  static std::string number(double value) {
    if (std::isnan(value)) return "NaN";
    return std::isinf(value) ? value < 0 ? "-Infinity" : "Infinity" : float_text(value);
  }

  void put_text(const std::string& text) {
    step_bytes(text.size() * 8);
    out_ += '"';
    for (size_t at = 0, length = 0; at < text.size(); at += length)
      put_character(text, at, character(text, at, length));
    out_ += '"';
    check_text(out_.size());
  }

  void put_character(const std::string& text, size_t at, char32_t c) {
    static constexpr std::string_view plain = "\"\\\n\r\t\f\b", letters = "\"\\nrtfb";
    if (const size_t known = c < 0x80 ? plain.find(char(c)) : plain.npos; known != plain.npos) {
      out_ += '\\';
      out_ += letters[known];
    } else if (c < 0x20 || (ascii_ && c > 0x7e && c < 0x10000)) {
      out_ += fmt::format("\\u{:04x}", uint32_t(c));
    } else if (ascii_ && c >= 0x10000) {
      out_ += fmt::format("\\u{:04x}\\u{:04x}", 0xd800 + (uint32_t(c - 0x10000) >> 10), 0xdc00 + (uint32_t(c) & 0x3ff));
    } else {
      size_t length = 0;
      character(text, at, length);
      out_.append(text, at, length);
    }
  }

  void new_line() {
    if (!indented_) return;
    out_ += '\n';
    check_text(out_.size() + margin_.size() * level_);
    for (size_t i = 0; i < level_; ++i) out_ += margin_;
  }

  void put_list(const std::vector<Value>& items) {
    out_ += '[';
    ++level_;
    for (size_t i = 0; i < items.size(); ++i) {
      if (i) out_ += between_;
      new_line();
      put(items[i]);
    }
    --level_;
    if (!items.empty()) new_line();
    out_ += ']';
  }

  void put_dict(const Dict& dict) {
    std::vector<const std::pair<Value, Value>*> items;
    for (const auto& item : dict.items) items.push_back(&item);
    const auto before = [](const auto* a, const auto* b) { return less(a->first, b->first); };
    if (sorted_) std::stable_sort(items.begin(), items.end(), before);
    out_ += '{';
    ++level_;
    for (size_t i = 0; i < items.size(); ++i) {
      if (i) out_ += between_;
      new_line();
      put_key(items[i]->first);
      out_ += after_key_;
      put(items[i]->second);
    }
    --level_;
    if (!items.empty()) new_line();
    out_ += '}';
  }

  void put_key(const Value& key) {
    if (key.is_text()) return put_text(key.text());
    if (!key.is_number() && !key.is_none()) fault("keys must be str, int, float, bool or None, not {}", type_name(key));
    out_ += '"';
    put(key);
    out_ += '"';
  }

  bool ascii_ = false, sorted_ = false, indented_ = false;
  std::string margin_, between_, after_key_ = ": ", out_;
  size_t level_ = 0;
};

Value read(const Json& json, size_t depth) {
  if (depth > limits().nesting) fault("the input is nested more than {} deep (limit: nesting)", limits().nesting);
  switch (json.type()) {
    case Json::value_t::boolean:
      return json.get<bool>();
    case Json::value_t::number_unsigned:
      if (json.get<uint64_t>() > uint64_t(INT64_MAX))
        fault("an integer that does not fit into 64 bits (limit: integers)");
      return json.get<int64_t>();
    case Json::value_t::number_integer:
      return json.get<int64_t>();
    case Json::value_t::number_float:
      return json.get<double>();
    case Json::value_t::string:
      if (!is_utf8(json.get_ref<const std::string&>())) fault("a string of the input is not UTF-8");
      return json.get<std::string>();
    case Json::value_t::array: {
      std::vector<Value> items;
      for (const auto& item : json) items.push_back(read(item, depth + 1));
      return make_list(std::move(items));
    }
    case Json::value_t::object: {
      auto dict = std::make_shared<Dict>();
      for (const auto& [key, item] : json.items()) {
        if (!is_utf8(key)) fault("a key of the input is not UTF-8");
        dict->set(Value(key), read(item, depth + 1));
      }
      return DictRef(std::move(dict));
    }
    default:
      return Value();
  }
}

}  // namespace

std::string to_json(const Value& value, const Call& call) { return JsonWriter(call).write(value); }
Value from_json(const Json& json) { return read(json, 1); }

}  // namespace ken::text::jinja
