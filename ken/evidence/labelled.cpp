#include "ken/evidence/labelled.h"

#include <algorithm>
#include <array>
#include <map>
#include <numeric>
#include <set>

#include "ken/base/error.h"
#include "ken/base/rng.h"
#include "ken/base/select.h"
#include "ken/evidence/asking.h"

namespace ken::evidence {
namespace {

bool occurs(const std::string& words, const std::string& text) {
  return !words.empty() && text.find(words) != std::string::npos;
}

// The given facts with their closed-book answers.
struct AskedClosedBook {
  std::vector<data::Fact> facts;
  std::vector<std::string> prompts;
  std::vector<generate::Generated> answers;
  bool right(size_t i) const { return data::same_answer(answers[i].text, facts[i].answers); }
};

AskedClosedBook ask_closed_book(const readout::AnalysisInput& input, std::vector<data::Fact> facts) {
  AskedClosedBook asked{std::move(facts), {}, {}};
  std::vector<generate::Request> requests;
  for (const auto& fact : asked.facts) {
    requests.push_back(closed_book(fact, input.style));
    asked.prompts.push_back(requests.back().prompt.text);
  }
  asked.answers = greedy_answers(input, requests);
  return asked;
}

// Passages whose value can be found: 1 = contradicts the fact, 0 = agrees with it. Where the facts hold no agreeing
// passages, a fact's own statement agrees.
struct Passages {
  std::vector<data::ContextCase> cases;
  std::vector<int> labels;
};

bool states_answer(const data::Fact& fact) {
  return !fact.answers.empty() && occurs(fact.answers.front(), fact.statement);
}

Passages find_passages(const data::FactSet& set, const std::map<std::string, const data::Fact*>& facts) {
  Passages found;
  const auto add = [&](const data::ContextCase& item, int label) {
    const auto fact = facts.find(item.fact);
    if (fact == facts.end() || item.context_answers.empty()) return;
    if (!occurs(item.context_answers.front(), item.context) || !occurs(fact->second->subject, item.question)) return;
    found.cases.push_back(item);
    found.labels.push_back(label);
  };
  bool agreeing = false;
  for (const auto& item : set.contexts) {
    if (!undirected(item)) continue;
    if (item.kind == "conflict") add(item, 1);
    if (item.kind == "agree") add(item, 0);
    agreeing = agreeing || item.kind == "agree";
  }
  if (agreeing) return found;
  for (size_t i = 0, conflicts = found.cases.size(); i < conflicts; ++i) {
    data::ContextCase item = found.cases[i];
    const data::Fact& fact = *facts.at(item.fact);
    if (!states_answer(fact)) continue;
    item.context = fact.statement;
    item.context_answers = {fact.answers.front()};
    add(item, 0);
  }
  return found;
}

// The passages of facts that the model answers rightly (or wrongly) without a passage, as many of each label.
std::vector<size_t> balanced_passages(const readout::AnalysisInput& input, const Passages& passages,
                                      const std::set<std::string>& chosen, size_t max_items) {
  std::array<std::vector<size_t>, 2> of_label;
  for (size_t i = 0; i < passages.cases.size(); ++i)
    if (chosen.count(passages.cases[i].fact)) of_label[size_t(passages.labels[i])].push_back(i);
  const size_t count = std::min({of_label[0].size(), of_label[1].size(), max_items / 2});
  std::vector<size_t> result = draw(of_label[0], count, input.seed);
  const std::vector<size_t> conflicts = draw(of_label[1], count, input.seed);
  result.insert(result.end(), conflicts.begin(), conflicts.end());
  std::sort(result.begin(), result.end());
  return result;
}

std::set<std::string> known_facts(const readout::AnalysisInput& input, const Passages& passages,
                                  const std::map<std::string, const data::Fact*>& facts, bool known) {
  std::set<std::string> ids, result;
  for (const auto& item : passages.cases) ids.insert(item.fact);
  std::vector<data::Fact> asked_facts;
  for (const auto& id : ids) asked_facts.push_back(*facts.at(id));
  const AskedClosedBook asked = ask_closed_book(input, std::move(asked_facts));
  for (size_t i = 0; i < asked.facts.size(); ++i)
    if (asked.right(i) == known) result.insert(asked.facts[i].id);
  return result;
}

}  // namespace

void LabelledSet::add(readout::Item item, int label, const std::string& group, double score, const Json& record) {
  items.push_back(std::move(item));
  labels.push_back(label);
  groups.push_back(group);
  baseline.push_back(score);
  extra.push_back(record);
}

LabelledSet correctness_set(const readout::AnalysisInput& input, size_t max_items) {
  const auto& facts = input.facts.facts;
  std::vector<size_t> all(facts.size()), named;
  std::iota(all.begin(), all.end(), size_t{0});
  std::copy_if(all.begin(), all.end(), std::back_inserter(named),
               [&](size_t i) { return occurs(facts[i].subject, facts[i].question); });
  const bool with_subject = 2 * named.size() >= all.size();
  const AskedClosedBook asked =
      ask_closed_book(input, pick(facts, draw(with_subject ? named : all, max_items, input.seed)));
  LabelledSet set;
  for (size_t i = 0; i < asked.facts.size(); ++i) {
    const data::Fact& fact = asked.facts[i];
    readout::Item item{asked.prompts[i], {}, input.style.tokens()};
    if (with_subject) item.places.push_back({"subject", fact.subject});
    item.places.push_back({"question end", fact.question});
    item.places.push_back({"answer", ""});
    set.add(std::move(item), int(asked.right(i)), fact.group, std::exp(asked.answers[i].logprob()), fact.extra);
  }
  return set;
}

LabelledSet conflict_set(const readout::AnalysisInput& input, size_t max_items, bool known) {
  std::map<std::string, const data::Fact*> facts;
  for (const auto& fact : input.facts.facts) facts.emplace(fact.id, &fact);
  const Passages passages = find_passages(input.facts, facts);
  if (passages.cases.empty())
    fail("passages", "the facts hold no passage that contradicts or agrees with a fact; add records with a context");
  const auto chosen = balanced_passages(input, passages, known_facts(input, passages, facts, known), max_items);
  std::vector<generate::Request> requests;
  for (const size_t i : chosen) requests.push_back(with_passage(passages.cases[i], input.style));
  const auto answers = greedy_answers(input, requests);
  LabelledSet set;
  for (size_t n = 0; n < chosen.size(); ++n) {
    const auto& item = passages.cases[chosen[n]];
    const double entropy = answers[n].entropies.empty() ? 0 : answers[n].entropies.front();
    const std::string& prompt = requests[n].prompt.text;
    const size_t passage = prompt.rfind(item.context);  // worked examples stand before it
    set.add({prompt,
             {{"value", item.context_answers.front(), true}, {"subject", facts.at(item.fact)->subject}, {"answer", ""}},
             input.style.tokens(),
             passage == std::string::npos ? 0 : passage},
            passages.labels[chosen[n]], item.group.empty() ? facts.at(item.fact)->group : item.group, entropy,
            item.extra);
  }
  return set;
}

namespace {

// The contradicting passage with what it says put right.
data::ContextCase put_right(data::ContextCase item) {
  item.context = data::replace_words(item.context, item.context_answers.front(), item.answers.front());
  item.context_answers = {item.answers.front()};
  item.kind = "agree";
  return item;
}

// Conflict passages of chosen facts, at most `count`, each followed by its agreeing one.
std::vector<data::ContextCase> paired(const readout::AnalysisInput& input, const Passages& passages,
                                      const std::set<std::string>& chosen, size_t count) {
  std::vector<size_t> conflicts;
  std::map<std::string, const data::ContextCase*> agreeing;
  for (size_t i = 0; i < passages.cases.size(); ++i) {
    const auto& item = passages.cases[i];
    if (!chosen.count(item.fact) || item.answers.empty()) continue;
    if (passages.labels[i] == 1) conflicts.push_back(i);
    if (passages.labels[i] == 0) agreeing.emplace(item.fact, &item);
  }
  std::vector<data::ContextCase> result;
  for (const size_t i : draw(std::move(conflicts), count, input.seed)) {
    const auto& item = passages.cases[i];
    const auto own = agreeing.find(item.fact);
    result.push_back(item);
    result.push_back(own == agreeing.end() ? put_right(item) : *own->second);
  }
  return result;
}

}  // namespace

PassagePairs conflict_pairs(const readout::AnalysisInput& input, size_t max_items, bool known) {
  std::map<std::string, const data::Fact*> facts;
  for (const auto& fact : input.facts.facts) facts.emplace(fact.id, &fact);
  const Passages passages = find_passages(input.facts, facts);
  const auto cases = paired(input, passages, known_facts(input, passages, facts, known), max_items / 2);
  if (cases.empty())
    fail("passages", "the facts hold no passage that contradicts a fact that the model {}; add records with a context",
         known ? "knows" : "does not know");
  std::vector<generate::Request> requests;
  for (const auto& item : cases) requests.push_back(with_passage(item, input.style));
  const auto answers = greedy_answers(input, requests);
  PassagePairs pairs;
  for (size_t i = 0; i < cases.size(); ++i) {
    const auto& item = cases[i];
    const data::Fact& fact = *facts.at(item.fact);
    const std::string& prompt = requests[i].prompt.text;
    const size_t passage = prompt.rfind(item.context);
    pairs.set.add({prompt,
                   {{"answer"}, {"value", item.context_answers.front(), true}},
                   input.style.tokens(),
                   passage == std::string::npos ? 0 : passage},
                  int(item.kind == "conflict"), item.group.empty() ? fact.group : item.group,
                  answers[i].entropies.empty() ? 0 : answers[i].entropies.front(), item.extra);
    pairs.relations.push_back(fact.relation);
    pairs.followed.push_back(followed(answers[i].text, item, fact.answers));
    pairs.facts.push_back(fact.id);
  }
  return pairs;
}

void check_classes(const LabelledSet& set, const std::string& where, const std::string& target, size_t least) {
  const size_t ones = size_t(std::count(set.labels.begin(), set.labels.end(), 1)), zeros = set.labels.size() - ones;
  if (std::min(ones, zeros) < least) {
    fail(where, "'{}' has {} items of one class and {} of the other; {} of each are needed; give more facts", target,
         ones, zeros, least);
  }
}

}  // namespace ken::evidence
