#include "ken/evidence/languages.h"

#include <algorithm>
#include <map>
#include <sstream>

#include "ken/base/error.h"
#include "ken/base/select.h"

namespace ken::evidence {
namespace {

const data::Variant* find(const data::Fact& fact, const std::string& language) {
  for (const auto& variant : fact.variants)
    if (variant.kind == language) return &variant;
  return nullptr;
}

std::vector<std::string> split(const std::string& list) {
  std::vector<std::string> parts;
  std::istringstream stream(list);
  for (std::string part; std::getline(stream, part, ',');) {
    const size_t begin = part.find_first_not_of(' '), end = part.find_last_not_of(' ');
    if (begin != std::string::npos) parts.push_back(part.substr(begin, end + 1 - begin));
  }
  return parts;
}

}  // namespace

const data::Variant& InLanguages::variant(size_t fact, const std::string& language) const {
  return *find(facts.at(fact), language);
}

generate::Request InLanguages::request(size_t fact, const std::string& language, const data::PromptStyle& style) const {
  return language == dominant_language ? closed_book(facts.at(fact), style)
                                       : as_variant(facts.at(fact), variant(fact, language), style);
}

const std::vector<std::string>& InLanguages::answers(size_t fact, const std::string& language) const {
  if (language == dominant_language || variant(fact, language).answers.empty()) return facts.at(fact).answers;
  return variant(fact, language).answers;
}

InLanguages in_languages(const readout::AnalysisInput& input, const std::string& languages, const std::string& bound,
                         size_t most) {
  InLanguages result{.languages = split(languages)};
  std::map<std::string, std::vector<size_t>> places;  // by the language that binds
  const auto& facts = input.facts.facts;
  for (size_t i = 0; i < facts.size(); ++i) {
    const auto has = [&](const std::string& language) { return find(facts[i], language) != nullptr; };
    if (facts[i].answers.empty() || !std::all_of(result.languages.begin(), result.languages.end(), has)) continue;
    const std::string name = facts[i].extra.value(bound, "");
    if (!name.empty() && name != dominant_language && !has(name))
      fail_usage("languages", "{}: fact {} is bound to the language '{}', which is none of '{}' and has no variant",
                 input.facts.source, facts[i].id, name, languages);
    places[name].push_back(i);
  }
  if (places.empty() || result.languages.empty())
    fail_usage("languages",
               "{}: no fact has an answer and variants of the kinds '{}'; name the kinds that are languages, and give "
               "facts \"variants\": [{{\"kind\": ..., \"question\": ..., \"answers\": [...]}}]",
               input.facts.source, languages);
  result.languages.insert(result.languages.begin(), dominant_language);
  for (const auto& [name, list] : places)
    for (const size_t i : draw(list, most, input.seed)) {
      result.facts.push_back(facts[i]);
      result.bound.push_back(name);
    }
  return result;
}

}  // namespace ken::evidence
