#include "ken/data/binding.h"

#include <algorithm>
#include <map>
#include <optional>

#include "ken/base/rng.h"
#include "ken/base/select.h"

namespace ken::data {
namespace {

constexpr size_t tries_an_item = 50;  // of words for one item

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  const size_t at = text.find(from);
  return at == std::string::npos ? std::string() : text.replace(at, from.size(), to);
}

std::string filled(const std::string& pattern, const std::string& subject, const std::string& value) {
  return replaced(replaced(pattern, "{subject}", subject), "{value}", value);
}

// The facts of a relation with as many tokens in subject and value: their words can stand for each other.
struct Words {
  std::vector<const Fact*> facts;
};

std::map<std::tuple<std::string, size_t, size_t>, Words> interchangeable(const FactSet& facts, const Encode& encode) {
  std::map<std::tuple<std::string, size_t, size_t>, Words> result;
  for (const Fact& fact : facts.facts) {
    if (fact.subject.empty() || fact.answers.empty()) continue;
    if (fact.statement.find(fact.subject) == std::string::npos ||
        fact.statement.find(fact.answers.front()) == std::string::npos ||
        fact.question.find(fact.subject) == std::string::npos)
      continue;
    result[{fact.relation, encode("a " + fact.subject).size(), encode("a " + fact.answers.front()).size()}]
        .facts.push_back(&fact);
  }
  return result;
}

// n different words of the facts, none of them in `not_these`; fewer where too few are found.
std::vector<std::string> draw_words(const Words& words, const std::string& (*word_of)(const Fact&), size_t n,
                                    const std::vector<std::string>& not_these, Rng& rng) {
  std::vector<std::string> result;
  for (size_t attempt = 0; attempt < tries_an_item * n && result.size() < n; ++attempt) {
    const std::string& word = word_of(*words.facts[size_t(rng.below(words.facts.size()))]);
    if (!is_in(word, result) && !is_in(word, not_these)) result.push_back(word);
  }
  return result;
}
const std::string& subject_of(const Fact& fact) { return fact.subject; }
const std::string& value_of(const Fact& fact) { return fact.answers.front(); }

// No sets where the relation has too few words.
std::optional<BindingSet> make_set(const Fact& fact, const Words& words, size_t n, size_t refills, Rng& rng) {
  Binding base;
  base.id = fact.id, base.relation = fact.relation, base.group = fact.group;
  base.statement = replaced(replaced(fact.statement, fact.subject, "{subject}"), fact.answers.front(), "{value}");
  base.question = replaced(fact.question, fact.subject, "{subject}");
  base.asked = size_t(rng.below(n));
  base.subjects = draw_words(words, subject_of, n - 1, {fact.subject}, rng);
  base.subjects.insert(base.subjects.begin() + long(std::min(base.asked, base.subjects.size())), fact.subject);
  base.values = draw_words(words, value_of, n, fact.answers, rng);
  if (base.subjects.size() < n || base.values.size() < n) return std::nullopt;
  BindingSet set{base, {}, base, base, base};
  for (size_t i = 0; i < refills; ++i) {
    Binding other = base;
    other.subjects = draw_words(words, subject_of, n, base.subjects, rng);
    other.values = draw_words(words, value_of, n, base.values, rng);
    other.question = replaced(base.question, "{subject}", base.asked_subject());
    if (other.subjects.size() < n || other.values.size() < n) return std::nullopt;
    set.unbound.push_back(std::move(other));
  }
  set.relabelled.asked = set.moved.asked = (base.asked + 1 + size_t(rng.below(n - 1))) % n;
  std::swap(set.moved.subjects[base.asked], set.moved.subjects[set.moved.asked]);
  std::swap(set.moved.values[base.asked], set.moved.values[set.moved.asked]);
  set.revalued.values = draw_words(words, value_of, n, base.values, rng);
  if (set.revalued.values.size() < n) return std::nullopt;
  return set;
}

bool all_aligned(const BindingSet& set, const PromptStyle& style, const Encode& encode) {
  const size_t length = encode(ask_binding(style, set.base)).size();
  std::vector<const Binding*> others = {&set.moved, &set.revalued, &set.relabelled};
  for (const Binding& other : set.unbound) others.push_back(&other);
  return std::all_of(others.begin(), others.end(),
                     [&](const Binding* other) { return encode(ask_binding(style, *other)).size() == length; });
}

}  // namespace

std::string Binding::passage() const {
  std::string text;
  for (size_t i = 0; i < subjects.size(); ++i) text += (i ? " " : "") + filled(statement, subjects[i], values[i]);
  return text;
}

std::string ask_binding(const PromptStyle& style, const Binding& item) {
  const std::string asked = replaced(item.question, "{subject}", item.asked_subject());
  const std::string question = asked.empty() ? item.question : asked;
  return ask_with_context(style, item.passage(), "",
                          {.question = question, .id = item.id, .subject = item.asked_subject()});
}

std::vector<BindingSet> bindings(const FactSet& facts, const PromptStyle& style, const Encode& encode, size_t sentences,
                                 size_t refills, uint64_t seed, size_t limit) {
  std::vector<BindingSet> result;
  Rng rng(seed, 19);
  const auto all = interchangeable(facts, encode);
  std::vector<std::pair<const Fact*, const Words*>> order;
  for (const auto& [key, words] : all)
    if (words.facts.size() >= 2 * sentences)
      for (const Fact* fact : words.facts) order.emplace_back(fact, &words);
  rng.shuffle(order);
  for (const auto& [fact, words] : order) {
    if (result.size() >= limit) break;
    auto set = make_set(*fact, *words, sentences, refills, rng);
    if (set && all_aligned(*set, style, encode)) result.push_back(std::move(*set));
  }
  return result;
}

}  // namespace ken::data
