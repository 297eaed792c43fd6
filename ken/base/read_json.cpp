// One parser for configs, indexes and tokenizers. Json keeps its keys in a list and looks through it before it adds
// one, so objects are built here at the list's end and looked over once when they close.
#include "ken/base/read_json.h"

#include <algorithm>

#include "ken/base/error.h"

namespace ken {

std::string dumped(const Json& value, int indent) {
  return value.dump(indent, ' ', false, Json::error_handler_t::replace);
}

namespace {

constexpr size_t deepest = 64;

class Builder final : public nlohmann::json_sax<Json> {
 public:
  Json root;
  std::string broken;  // the rule that the text breaks

  bool null() override { return leaf(nullptr); }
  bool boolean(bool value) override { return leaf(value); }
  bool number_integer(int64_t value) override { return leaf(value); }
  bool number_unsigned(uint64_t value) override { return leaf(value); }
  bool number_float(double value, const std::string&) override { return leaf(value); }
  bool string(std::string& value) override { return leaf(std::move(value)); }
  bool binary(Json::binary_t&) override { return false; }
  bool key(std::string& name) override {
    key_ = std::move(name);
    return true;
  }
  bool start_object(size_t) override { return open(Json::object()); }
  bool start_array(size_t) override { return open(Json::array()); }
  bool end_object() override { return no_twins(open_.back()->get_ref<const Json::object_t&>()) && end_array(); }
  bool end_array() override {
    open_.pop_back();
    return true;
  }
  bool parse_error(size_t, const std::string&, const nlohmann::detail::exception& error) override {
    return refuse(fmt::format("no valid JSON: {}", error.what()));
  }

 private:
  // The place stays where it is until its parent gets another value, which is after it closed.
  Json& place(Json value) {
    if (open_.empty()) return root = std::move(value);
    Json& parent = *open_.back();
    if (parent.is_array()) return parent.get_ref<Json::array_t&>().emplace_back(std::move(value));
    return parent.get_ref<Json::object_t&>().emplace_back(std::move(key_), std::move(value)).second;
  }
  bool leaf(Json value) {
    place(std::move(value));
    return true;
  }
  bool open(Json value) {
    if (open_.size() == deepest) return refuse(fmt::format("JSON nested deeper than {}", deepest));
    open_.push_back(&place(std::move(value)));
    return true;
  }
  bool no_twins(const Json::object_t& object) {
    std::vector<std::string_view> keys;
    for (const auto& [name, value] : object) keys.push_back(name);
    std::sort(keys.begin(), keys.end());
    const auto twin = std::adjacent_find(keys.begin(), keys.end());
    return twin == keys.end() || refuse(fmt::format("the key '{}' appears twice", twin->substr(0, 80)));
  }
  bool refuse(std::string rule) {
    broken = std::move(rule);
    return false;
  }

  std::string key_;
  std::vector<Json*> open_;
};

}  // namespace

Json parse_json(std::string_view text, std::string* broken) {
  Builder builder;
  const bool whole = Json::sax_parse(text, &builder);
  if (broken) *broken = builder.broken;
  return whole ? std::move(builder.root) : Json(Json::value_t::discarded);
}

Json read_json(const fs::path& path, size_t limit, std::string_view where) {
  std::string broken;
  Json root = parse_json(read_text(path, limit), &broken);
  if (!broken.empty()) fail(where, "{}: {}; the file is damaged", path.string(), broken);
  if (!root.is_object()) fail(where, "{} is no JSON object; download it again", path.string());
  return root;
}

}  // namespace ken
