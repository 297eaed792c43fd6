// Reading the fields of a record.
#include "ken/data/record_fields.h"

#include <fmt/ranges.h>

namespace ken::data {
namespace {

std::string text_of(const Json& value) { return value.is_string() ? value.get<std::string>() : value.dump(); }

}  // namespace

RecordFields::RecordFields(const fs::path& file, const io::Record& record, std::string form)
    : RecordFields(record.fields, fmt::format("{}:{}", file.string(), record.line), std::move(form), record.line) {}

RecordFields::RecordFields(Json fields, std::string where, std::string form, size_t line)
    : fields_(std::move(fields)), where_(std::move(where)), form_(std::move(form)), line_(line) {
  if (!fields_.is_object()) refuse("a record must be an object, found {}", fields_.type_name());
}

bool RecordFields::has(const std::string& name) const {
  const auto found = fields_.find(name);
  return found != fields_.end() && !found->is_null() && *found != "";
}

const Json& RecordFields::at(const std::string& name) const {
  if (has(name)) return fields_[name];
  std::vector<std::string> known;
  for (const auto& [key, value] : fields_.items())
    if (known.size() < 8) known.push_back(key.substr(0, 40));
  refuse("no '{}'; found the fields {}", name, known.empty() ? "none" : fmt::format("{}", fmt::join(known, ", ")));
}

std::string RecordFields::text(const std::string& name) const {
  const Json& value = at(name);
  if (!value.is_string() && !value.is_number()) refuse("'{}' must be text, found {}", name, value.type_name());
  return text_of(value);
}

std::string RecordFields::id(const std::string& name) const {
  return has(name) ? text(name) : fmt::format("line{}", line_);
}

std::vector<std::string> RecordFields::texts(const std::string& name) const {
  Json value = at(name);
  if (value.is_string() && value.get_ref<const std::string&>().starts_with('[')) {
    value = Json::parse(value.get<std::string>(), nullptr, false);
    if (!value.is_array()) refuse("'{}' begins with '[' but is no JSON list", name);
  }
  if (!value.is_array()) value = Json::array({value});
  std::vector<std::string> result;
  for (const Json& item : value) {
    if (!item.is_string() && !item.is_number()) refuse("'{}' must hold texts, found {}", name, item.type_name());
    result.push_back(text_of(item));
  }
  if (result.empty()) refuse("'{}' is an empty list", name);
  return result;
}

RecordFields RecordFields::object(const std::string& name) const {
  const Json& value = at(name);
  if (!value.is_object()) refuse("'{}' must be an object, found {}", name, value.type_name());
  return {value, where_, form_, line_};
}

}  // namespace ken::data
