// One record of a published file, whose form is known: a field that is missing or of the wrong kind is an Error that
// says where, what was found, and what such a record looks like.
#pragma once
#include "ken/base/error.h"
#include "ken/base/json.h"
#include "ken/io/records.h"

namespace ken::data {

class RecordFields {
 public:
  // `form` says what such a record looks like, `where` stands in errors ("file.jsonl:7").
  RecordFields(const fs::path& file, const io::Record& record, std::string form);
  RecordFields(Json fields, std::string where, std::string form, size_t line);
  const std::string& where() const { return where_; }
  const Json& json() const { return fields_; }
  bool has(const std::string& name) const;                        // present, not null, not ""
  std::string text(const std::string& name) const;                // not empty; a number is taken as text
  std::string id(const std::string& name) const;                  // the text, or "lineN"
  std::vector<std::string> texts(const std::string& name) const;  // a list, a text, or a JSON list as text; not empty
  RecordFields object(const std::string& name) const;
  template <typename... Args>
  [[noreturn]] void refuse(fmt::format_string<Args...> text, Args&&... args) const {
    fail(where_, "{}; {}", fmt::format(text, std::forward<Args>(args)...), form_);
  }

 private:
  const Json& at(const std::string& name) const;
  Json fields_;
  std::string where_, form_;
  size_t line_;
};

}  // namespace ken::data
