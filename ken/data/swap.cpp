// Counterfactual passages by substitution within a relation (Longpre et al. 2021, arXiv 2109.05052): the answer in a
// fact's own sentence becomes another fact's answer.
#include <algorithm>
#include <cctype>
#include <map>
#include <numeric>

#include "ken/base/rng.h"
#include "ken/data/facts.h"

namespace ken::data {
namespace {

constexpr int most_draws = 16;  // before every answer of the relation is tried in turn

bool is_word_byte(unsigned char c) { return c >= 0x80 || std::isalnum(c); }

// The first place of `word` in `text` from `from` on that is not inside a longer word.
size_t find_word(std::string_view text, std::string_view word, size_t from) {
  for (size_t at = text.find(word, from); at != std::string_view::npos; at = text.find(word, at + 1)) {
    const size_t end = at + word.size();
    const bool open_left = at == 0 || !is_word_byte(text[at - 1]) || !is_word_byte(word.front());
    const bool open_right = end == text.size() || !is_word_byte(text[end]) || !is_word_byte(word.back());
    if (open_left && open_right) return at;
  }
  return std::string_view::npos;
}

// The accepted answer that stands in the statement, the best first; nullptr if none does.
const std::string* stated_answer(const Fact& fact) {
  for (const auto& answer : fact.answers)
    if (!answer.empty() && find_word(fact.statement, answer, 0) != std::string::npos) return &answer;
  return nullptr;
}

const std::string* other_answer(const Fact& fact, const std::vector<std::string>& pool, Rng& rng) {
  const auto fits = [&](const std::string& answer) { return !answer.empty() && !same_answer(answer, fact.answers); };
  for (int draw = 0; draw < most_draws; ++draw) {
    const std::string& answer = pool[rng.below(pool.size())];
    if (fits(answer)) return &answer;
  }
  const auto found = std::find_if(pool.begin(), pool.end(), fits);
  return found == pool.end() ? nullptr : &*found;
}

ContextCase swapped(const Fact& fact, const std::string& stated, const std::string& other) {
  ContextCase item;
  item.id = fact.id + ".swap";
  item.fact = fact.id;
  item.kind = "conflict";
  item.context = replace_words(fact.statement, stated, other);
  item.intent = "none";
  item.question = fact.question;
  item.context_answers = {other};
  item.answers = fact.answers;
  item.context_subject = fact.subject;
  item.exposure = fact.exposure;
  item.group = fact.group;
  return item;
}

}  // namespace

std::string replace_words(std::string_view text, std::string_view word, std::string_view by) {
  std::string result;
  size_t begin = 0;
  for (size_t at = find_word(text, word, 0); at != std::string_view::npos; at = find_word(text, word, begin)) {
    result.append(text.substr(begin, at - begin)).append(by);
    begin = at + word.size();
  }
  return result.append(text.substr(begin));
}

std::vector<ContextCase> swap_contexts(const FactSet& set, uint64_t seed, size_t limit) {
  std::map<std::string, std::vector<std::string>> pools;  // best answers by relation; facts without one share no type
  for (const auto& fact : set.facts)
    if (!fact.relation.empty() && !fact.answers.empty()) pools[fact.relation].push_back(fact.answers.front());
  std::vector<size_t> order(set.facts.size());
  std::iota(order.begin(), order.end(), size_t{0});
  Rng(seed).shuffle(order);
  std::vector<std::pair<size_t, ContextCase>> found;
  for (const size_t i : order) {
    if (found.size() >= limit) break;
    const Fact& fact = set.facts[i];
    const std::string* stated = fact.relation.empty() ? nullptr : stated_answer(fact);
    if (!stated) continue;
    Rng rng(seed, i + 1);
    if (const std::string* other = other_answer(fact, pools[fact.relation], rng))
      found.emplace_back(i, swapped(fact, *stated, *other));
  }
  std::sort(found.begin(), found.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  std::vector<ContextCase> result;
  for (auto& item : found) result.push_back(std::move(item.second));
  return result;
}

}  // namespace ken::data
