// What benchmarks share: reading the fields of a record, the standard metrics.
#include "ken/tasks/task.h"

#include <fmt/ranges.h>

#include <numeric>

#include "ken/data/facts.h"

namespace ken::tasks {
namespace {

std::string text_of(const Json& value) { return value.is_string() ? value.get<std::string>() : value.dump(); }

// Characters as Python counts them, which is what acc_norm divides by.
size_t characters(const std::string& text) {
  return size_t(std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; }));
}

}  // namespace

std::vector<Metric> standard_metrics(bool open) {
  if (open) {
    return {{"exact_match", "the answer equals an accepted one after SQuAD normalisation"},
            {"contains", "the answer contains an accepted one after SQuAD normalisation"}};
  }
  return {{"acc", "the likeliest option is right"},
          {"acc_norm", "the option of the largest log-likelihood per character is right"},
          {"acc_bytes", "the option of the largest log-likelihood per UTF-8 byte is right"}};
}

size_t best_option(const std::vector<evidence::OptionScore>& scores, const std::vector<size_t>& lengths) {
  const auto value = [&](size_t i) {
    return lengths.empty() ? scores[i].logprob : scores[i].logprob / double(std::max<size_t>(1, lengths[i]));
  };
  size_t best = 0;
  for (size_t i = 1; i < scores.size(); ++i)
    if (value(i) > value(best)) best = i;
  return best;
}

Json score_choice(const Item& item, const std::vector<evidence::OptionScore>& scores) {
  std::vector<size_t> letters, bytes;
  for (const auto& option : item.options) letters.push_back(characters(option));
  for (const auto& score : scores) bytes.push_back(score.bytes);
  const auto right = [&](size_t option) {
    return std::find(item.gold.begin(), item.gold.end(), option) != item.gold.end() ? 1.0 : 0.0;
  };
  return {{"acc", right(best_option(scores))},
          {"acc_norm", right(best_option(scores, letters))},
          {"acc_bytes", right(best_option(scores, bytes))}};
}

Json score_answer(const Item& item, const std::string& answer) {
  return {{"exact_match", data::same_answer(answer, item.answers) ? 1.0 : 0.0},
          {"contains", data::contains_answer(answer, item.answers) ? 1.0 : 0.0}};
}

Fields::Fields(const fs::path& file, const io::Record& record, std::string form)
    : Fields(record.fields, fmt::format("{}:{}", file.string(), record.line), std::move(form), record.line) {}

Fields::Fields(Json fields, std::string where, std::string form, size_t line)
    : fields_(std::move(fields)), where_(std::move(where)), form_(std::move(form)), line_(line) {
  if (!fields_.is_object()) refuse("a record must be an object, found {}", fields_.type_name());
}

bool Fields::has(const std::string& name) const {
  const auto found = fields_.find(name);
  return found != fields_.end() && !found->is_null() && *found != "";
}

const Json& Fields::at(const std::string& name) const {
  if (has(name)) return fields_[name];
  std::vector<std::string> known;
  for (const auto& [key, value] : fields_.items())
    if (known.size() < 8) known.push_back(key.substr(0, 40));
  refuse("no '{}'; found the fields {}", name, known.empty() ? "none" : fmt::format("{}", fmt::join(known, ", ")));
}

std::string Fields::text(const std::string& name) const {
  const Json& value = at(name);
  if (!value.is_string() && !value.is_number()) refuse("'{}' must be text, found {}", name, value.type_name());
  return text_of(value);
}

std::string Fields::id(const std::string& name) const { return has(name) ? text(name) : fmt::format("line{}", line_); }

std::vector<std::string> Fields::texts(const std::string& name) const {
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

Fields Fields::object(const std::string& name) const {
  const Json& value = at(name);
  if (!value.is_object()) refuse("'{}' must be an object, found {}", name, value.type_name());
  return {value, where_, form_, line_};
}

}  // namespace ken::tasks
