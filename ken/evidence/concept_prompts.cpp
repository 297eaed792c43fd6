// Which prompts bear a concept, asked once of the plain model.
#include "ken/evidence/concept_prompts.h"

#include <algorithm>
#include <map>

#include "ken/base/error.h"
#include "ken/base/select.h"
#include "ken/evidence/labelled_texts.h"

namespace ken::evidence {
namespace {

using readout::AnalysisInput;
constexpr int64_t most_texts = 1000;
constexpr int concept_folds = 5, judged_folds = 2;

// A question's tokens and those of its answer that are read to write the next.
readout::Rows rows_of(std::vector<int32_t> prompt, const std::vector<int32_t>& written, bool last) {
  const size_t first = last ? prompt.size() - 1 : 1;
  if (!written.empty()) prompt.insert(prompt.end(), written.begin(), written.end() - 1);
  return {std::move(prompt), first};
}

std::vector<int32_t> prompt_tokens_of(const AnalysisInput& input, const generate::Request& request) {
  return generate::prompt_ids(input.model, request.prompt.text, request.prompt.chat.get());
}

// What class an answer names: the best form of the answer in the language of the fact, whatever the question's.
std::map<std::string, std::string> class_names(const Questions& questions) {
  std::map<std::string, std::string> names;
  for (size_t i = 0; i < questions.facts.size(); ++i)
    for (const auto* accepted : {questions.answers[i], &questions.facts[i]->answers})
      for (const auto& answer : *accepted)
        names.emplace(data::normalize_answer(answer), questions.facts[i]->answers.front());
  return names;
}

// Labels in place of classes, "" where a question was answered by none of the relation's answers.
std::vector<std::string> of_relation(ConceptPrompts& items, const AnalysisInput& input, const std::string& relation,
                                     size_t most) {
  items.questions = ask_questions(
      input, [&](const auto& f) { return f.relation == relation; }, most, true);
  const auto names = class_names(items.questions);
  std::vector<std::string> labels;
  for (size_t i = 0; i < items.questions.facts.size(); ++i) {
    items.prompts.push_back(prompt_tokens_of(input, items.questions.requests[i]));
    items.written.push_back(items.questions.given[i].tokens);
    items.groups.push_back(items.questions.facts[i]->group);
    const auto found = names.find(data::normalize_answer(items.questions.given[i].text));
    labels.push_back(found == names.end() ? "" : found->second);
  }
  return labels;
}

std::vector<std::string> of_texts(ConceptPrompts& items, const AnalysisInput& input, const std::string& file,
                                  size_t most) {
  const auto texts = read_labelled_texts(file);
  std::vector<std::string> labels;
  for (const size_t i : draw(texts.size(), most, input.seed)) {
    items.prompts.push_back(model::prompt_ids(input.model, texts[i].text));
    items.written.emplace_back();
    items.groups.push_back(texts[i].group), labels.push_back(texts[i].label);
  }
  return labels;
}

std::vector<char> right_of(const std::vector<generate::Generated>& given,
                           const std::vector<const std::vector<std::string>*>& answers) {
  std::vector<char> right;
  for (size_t i = 0; i < given.size(); ++i) right.push_back(data::same_answer(given[i].text, *answers[i]));
  return right;
}

}  // namespace

Questions Questions::of(const std::vector<size_t>& chosen) const {
  return {pick(requests, chosen), pick(answers, chosen), pick(facts, chosen), pick(given, chosen), pick(right, chosen)};
}

Questions ask_questions(const AnalysisInput& input, const std::function<bool(const data::Fact&)>& wanted, size_t most,
                        bool variants) {
  std::vector<const data::Fact*> facts;
  for (const auto& fact : input.facts.facts)
    if (!fact.answers.empty() && wanted(fact)) facts.push_back(&fact);
  Questions all;
  for (const auto* fact : pick(facts, draw(facts.size(), most, input.seed))) {
    all.requests.push_back(closed_book(*fact, input.style));
    all.answers.push_back(&fact->answers), all.facts.push_back(fact);
    for (const auto& variant : fact->variants) {
      if (!variants || data::contains_answer(variant.question, fact->answers)) continue;
      all.requests.push_back(as_variant(*fact, variant, input.style));
      all.answers.push_back(&variant.answers), all.facts.push_back(fact);
    }
  }
  all.given = greedy_answers(input.model, all.requests, input.compute);
  all.right = right_of(all.given, all.answers);
  return all;
}

std::vector<char> right_answers(const AnalysisInput& input, const Questions& questions,
                                const std::vector<generate::ControlSpec>& controls) {
  auto requests = questions.requests;
  for (auto& request : requests) request.controls = controls;
  return right_of(greedy_answers(input.model, requests, input.compute), questions.answers);
}

Others other_questions(const AnalysisInput& input, const std::string& relation, bool last) {
  constexpr size_t most = 900;
  const auto asked = ask_questions(
      input, [&](const auto& f) { return f.relation != relation; }, most, false);
  std::vector<std::string> groups;
  for (const auto* fact : asked.facts) groups.push_back(fact->group);
  const auto fold = stats::grouped_folds(groups, concept_folds, input.seed);
  Others others;
  std::vector<size_t> judged;
  for (size_t i = 0; i < fold.size(); ++i) {
    if (!asked.right[i]) continue;
    if (fold[i] < judged_folds)
      judged.push_back(i);
    else
      others.rows.push_back(rows_of(prompt_tokens_of(input, asked.requests[i]), asked.given[i].tokens, last));
  }
  others.judged = asked.of(judged);
  const data::Texts texts = input.some_texts();
  for (int64_t i = judged_texts; i < std::min(texts.count, judged_texts + most_texts); ++i) {
    auto ids = model::prompt_ids(input.model, texts.at(i));
    ids.resize(std::min(ids.size(), size_t(input.model.config.context)));
    if (ids.size() > 1) others.rows.push_back({std::move(ids), 1});
  }
  return others;
}

std::vector<readout::Rows> ConceptPrompts::rows(bool last) const {
  std::vector<readout::Rows> all;
  for (const size_t i : fit) all.push_back(rows_of(prompts[i], written[i], last));
  return all;
}

std::vector<size_t> ConceptPrompts::known_fit() const {
  std::vector<size_t> known;
  for (const size_t i : fit)
    if (questions.right[i]) known.push_back(i);
  return known;
}

ConceptPrompts concept_prompts(const AnalysisInput& input, const std::string& file, const std::string& relation,
                               size_t most, size_t least) {
  if (file.empty() == relation.empty())
    fail_usage("concept",
               "give prompts=FILE, or relation=NAME to take the answers of a relation as the concept's classes");
  ConceptPrompts items;
  const auto labels = file.empty() ? of_relation(items, input, relation, most) : of_texts(items, input, file, most);
  std::map<std::string, size_t> counts;
  for (const auto& label : labels) ++counts[label];
  for (const auto& [name, count] : counts)
    if (count >= least && (!name.empty() || relation.empty())) items.names.push_back(name);
  if (items.names.size() < 2)
    fail("concept", "{} prompts with {} classes, {} of which have {} or more; 2 are needed", labels.size(),
         counts.size(), items.names.size(), least);
  const auto fold = stats::grouped_folds(items.groups, concept_folds, input.seed);
  for (size_t i = 0; i < labels.size(); ++i) {
    const auto found = std::find(items.names.begin(), items.names.end(), labels[i]);
    items.classes.push_back(found == items.names.end() ? -1 : int(found - items.names.begin()));
    if (items.classes[i] < 0) continue;
    if (fold[i] >= judged_folds)
      items.fit.push_back(i);
    else if (relation.empty() || items.questions.right[i])
      items.judged.push_back(i);
  }
  return items;
}

}  // namespace ken::evidence
