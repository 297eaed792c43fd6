// Lenient reading of tokenizer.json: its writers leave out what is as usual.
#include "ken/text/json_fields.h"

#include "ken/base/error.h"

namespace ken::text {
namespace {

void collect_steps(const Json& step, const char* list, std::vector<Json>& steps) {
  if (!step.is_object()) return;
  const Json& inner = member(step, list);
  if (text_of(step, "type") != "Sequence" || !inner.is_array()) {
    steps.push_back(step);
    return;
  }
  for (const Json& one : inner) collect_steps(one, list, steps);
}

}  // namespace

const Json& member(const Json& object, const char* key) {
  static const Json none;
  if (!object.is_object()) return none;
  const auto found = object.find(key);
  return found == object.end() ? none : *found;
}

std::string text_of(const Json& object, const char* key, const std::string& standard) {
  const Json& value = member(object, key);
  return value.is_string() ? value.get<std::string>() : standard;
}

bool flag_of(const Json& object, const char* key, bool standard) {
  const Json& value = member(object, key);
  return value.is_boolean() ? value.get<bool>() : standard;
}

std::vector<Json> steps_of(const Json& step, const char* list) {
  std::vector<Json> steps;
  collect_steps(step, list, steps);
  return steps;
}

void refuse_step(const char* what, const Json& step) {
  fail("tokenizer", "the {} '{}' of tokenizer.json is not supported; convert the model to GGUF with its own tools",
       what, text_of(step, "type", "without a type").substr(0, 80));
}

}  // namespace ken::text
