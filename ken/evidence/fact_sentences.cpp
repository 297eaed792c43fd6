#include "ken/evidence/fact_sentences.h"

#include <algorithm>

#include "ken/base/select.h"
#include "ken/evidence/words.h"

namespace ken::evidence {
FactSentences::FactSentences(const std::vector<data::Fact>& facts) {
  for (const data::Fact& fact : facts) {
    if (fact.answers.empty()) continue;
    Relation& relation = relations_[fact.relation];
    for (const auto& answer : fact.answers) relation.values.insert(data::normalize_answer(answer));
    relation.facts.emplace(data::normalize_answer(fact.subject), &fact);
    const auto words = words_of(fact.subject);
    auto& places = words_[words.size()];
    places.resize(words.size());
    for (size_t i = 0; i < words.size(); ++i) places[i].insert(words[i]);
    const auto form = form_of(fact);
    auto& forms = relation.forms;
    if (form && !is_in(*form, forms)) forms.push_back(*form);
  }
  // A form that asks for more of the text is tried first: "is a baker in V" before "is V".
  const auto length = [](const Form& f) { return f.before.size() + f.middle.size() + f.after.size(); };
  for (auto& [name, relation] : relations_)
    std::stable_sort(relation.forms.begin(), relation.forms.end(),
                     [&](const Form& a, const Form& b) { return length(a) > length(b); });
}

std::optional<FactSentences::Form> FactSentences::form_of(const data::Fact& fact) {
  const std::string& s = fact.statement;
  const size_t subject = fact.subject.empty() ? std::string::npos : s.find(fact.subject);
  if (subject == std::string::npos) return std::nullopt;
  const std::string& value = fact.answers.front();
  size_t at = s.rfind(value);
  if (value.empty() || at == std::string::npos) return std::nullopt;
  const bool subject_first = subject < at;
  const size_t first = subject_first ? subject : at, second = subject_first ? at : subject;
  const size_t first_end = first + (subject_first ? fact.subject : value).size();
  if (second < first_end + 1) return std::nullopt;  // nothing between the two, or one inside the other
  const size_t second_end = second + (subject_first ? value : fact.subject).size();
  return Form{s.substr(0, first), s.substr(first_end, second - first_end), s.substr(second_end), subject_first};
}

// Subject and value, by the form alone.
std::optional<std::pair<std::string, std::string>> FactSentences::match(const Form& form, const std::string& text) {
  if (!text.starts_with(form.before)) return std::nullopt;
  const size_t begin = form.before.size(), middle = text.find(form.middle, begin);
  if (middle == std::string::npos) return std::nullopt;
  const size_t rest = middle + form.middle.size();
  const size_t end = form.after.empty() ? text.size() : text.find(form.after, rest);
  if (end == std::string::npos) return std::nullopt;
  const std::string first = text.substr(begin, middle - begin), second = text.substr(rest, end - rest);
  return form.subject_first ? std::pair{first, second} : std::pair{second, first};
}

bool FactSentences::plausible_subject(const std::string& subject) const {
  const auto words = words_of(subject);
  const auto found = words_.find(words.size());
  if (words.empty() || found == words_.end()) return false;
  for (size_t i = 0; i < words.size(); ++i)
    if (!found->second[i].contains(words[i])) return false;
  return true;
}

std::optional<Told> FactSentences::read(const std::string& text) const {
  for (const auto& [name, relation] : relations_)
    for (const Form& form : relation.forms) {
      const auto found = match(form, text);
      if (found && plausible_subject(found->first) && relation.values.contains(data::normalize_answer(found->second)))
        return Told{found->first, name, found->second};
    }
  return std::nullopt;
}

const data::Fact* FactSentences::fact_of(const Told& told) const {
  const auto& facts = relations_.at(told.relation).facts;
  const auto found = facts.find(data::normalize_answer(told.subject));
  return found == facts.end() ? nullptr : found->second;
}

bool FactSentences::is_true(const Told& told, const data::Fact* fact) {
  return fact && data::same_answer(told.value, fact->answers);
}

std::vector<std::string> FactSentences::statements(const data::Fact& fact) const {
  std::vector<std::string> result;
  for (const Form& f : relations_.at(fact.relation).forms) {
    const std::string &first = f.subject_first ? fact.subject : fact.answers.front(),
                      &second = f.subject_first ? fact.answers.front() : fact.subject;
    result.push_back(f.before + first + f.middle + second + f.after);
  }
  return result;
}

double FactSentences::plausible() const {
  double subjects = 0, values = 0;
  for (const auto& [count, places] : words_) {
    double product = 1;
    for (const auto& place : places) product *= double(place.size());
    subjects += count > 0 ? product : 0;
  }
  for (const auto& [name, relation] : relations_)
    if (!relation.forms.empty()) values += double(relation.values.size());
  return subjects * values;
}

}  // namespace ken::evidence
