// CounterFact's records, checked field by field.
#include "ken/data/counterfact.h"

#include "ken/data/record_fields.h"

namespace ken::data {
namespace {

constexpr const char* form =
    R"(a CounterFact record is {"case_id": 0, "requested_rewrite": {"prompt": "... {} ...", "subject": "...", )"
    R"("target_true": {"str": "..."}, "target_new": {"str": "..."}}})";

// A list of texts that may be missing; empty ones are left out.
std::vector<std::string> listed(const RecordFields& record, const char* name) {
  std::vector<std::string> result;
  const Json list = record.json().value(name, Json::array());
  if (!list.is_array()) record.refuse("'{}' must be a list, found {}", name, list.type_name());
  for (const Json& item : list) {
    if (!item.is_string()) record.refuse("'{}' must hold texts, found {}", name, item.type_name());
    if (item != "") result.push_back(item.get<std::string>());
  }
  return result;
}

}  // namespace

bool is_counterfact(const Json& record) { return record.is_object() && record.contains("requested_rewrite"); }

CounterFact read_counterfact(const Json& json, const std::string& where, size_t line) {
  const RecordFields record(json, where, form, line), rewrite = record.object("requested_rewrite");
  CounterFact fact;
  fact.id = json.contains("case_id") ? record.text("case_id") : record.id("case_id");
  fact.relation = rewrite.json().contains("relation_id") ? rewrite.text("relation_id") : "";
  fact.beginning = rewrite.text("prompt");
  fact.subject = rewrite.text("subject");
  const size_t slot = fact.beginning.find("{}");
  if (slot == std::string::npos)
    rewrite.refuse("'prompt' has no {{}} for the subject: '{}'", fact.beginning.substr(0, 80));
  fact.beginning.replace(slot, 2, fact.subject);
  fact.target_true = rewrite.object("target_true").text("str");
  fact.target_new = rewrite.object("target_new").text("str");
  fact.paraphrases = listed(record, "paraphrase_prompts");
  fact.neighborhood = listed(record, "neighborhood_prompts");
  return fact;
}

}  // namespace ken::data
