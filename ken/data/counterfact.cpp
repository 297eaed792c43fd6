// CounterFact's records, checked field by field.
#include "ken/data/counterfact.h"

#include <fmt/ranges.h>

#include "ken/base/error.h"

namespace ken::data {
namespace {

constexpr const char* form =
    R"(a CounterFact record is {"case_id": 0, "requested_rewrite": {"prompt": "... {} ...", "subject": "...", )"
    R"("target_true": {"str": "..."}, "target_new": {"str": "..."}}})";

template <typename... Args>
[[noreturn]] void refuse(const std::string& where, fmt::format_string<Args...> text, Args&&... args) {
  fail(where, "{}; {}", fmt::format(text, std::forward<Args>(args)...), form);
}

const Json& member(const Json& record, const char* name, const std::string& where) {
  const auto found = record.find(name);
  if (found != record.end() && !found->is_null() && *found != "") return *found;
  std::vector<std::string> known;
  for (const auto& [key, value] : record.items())
    if (known.size() < 8) known.push_back(key.substr(0, 40));
  refuse(where, "no '{}'; found the fields {}", name,
         known.empty() ? "none" : fmt::format("{}", fmt::join(known, ", ")));
}

const Json& object(const Json& record, const char* name, const std::string& where) {
  const Json& value = member(record, name, where);
  if (!value.is_object()) refuse(where, "'{}' must be an object, found {}", name, value.type_name());
  return value;
}

std::string text(const Json& record, const char* name, const std::string& where) {
  const Json& value = member(record, name, where);
  if (!value.is_string() && !value.is_number()) refuse(where, "'{}' must be text, found {}", name, value.type_name());
  return value.is_string() ? value.get<std::string>() : value.dump();
}

std::vector<std::string> texts(const Json& record, const char* name, const std::string& where) {
  std::vector<std::string> result;
  const Json list = record.value(name, Json::array());
  if (!list.is_array()) refuse(where, "'{}' must be a list, found {}", name, list.type_name());
  for (const Json& item : list) {
    if (!item.is_string()) refuse(where, "'{}' must hold texts, found {}", name, item.type_name());
    if (item != "") result.push_back(item.get<std::string>());
  }
  return result;
}

}  // namespace

bool is_counterfact(const Json& record) { return record.is_object() && record.contains("requested_rewrite"); }

CounterFact read_counterfact(const Json& record, const std::string& where, size_t line) {
  if (!record.is_object()) refuse(where, "a record must be an object, found {}", record.type_name());
  const Json& rewrite = object(record, "requested_rewrite", where);
  CounterFact fact;
  fact.id = record.contains("case_id") ? text(record, "case_id", where) : fmt::format("line{}", line);
  fact.relation = rewrite.contains("relation_id") ? text(rewrite, "relation_id", where) : "";
  fact.beginning = text(rewrite, "prompt", where);
  fact.subject = text(rewrite, "subject", where);
  const size_t slot = fact.beginning.find("{}");
  if (slot == std::string::npos)
    refuse(where, "'prompt' has no {{}} for the subject: '{}'", fact.beginning.substr(0, 80));
  fact.beginning.replace(slot, 2, fact.subject);
  fact.target_true = text(object(rewrite, "target_true", where), "str", where);
  fact.target_new = text(object(rewrite, "target_new", where), "str", where);
  fact.paraphrases = texts(record, "paraphrase_prompts", where);
  fact.neighborhood = texts(record, "neighborhood_prompts", where);
  return fact;
}

}  // namespace ken::data
