#include "ken/evidence/contest.h"

#include <algorithm>
#include <map>
#include <numeric>
#include <set>

#include "ken/base/error.h"
#include "ken/base/rng.h"
#include "ken/base/select.h"

namespace ken::evidence {
namespace {

// An answer as it goes on where the prompt ends.
std::string option(const generate::Prompt& prompt, const std::string& answer) {
  const bool blank = !prompt.chat && !prompt.text.empty() && prompt.text.back() != ' ' && prompt.text.back() != '\n';
  return (blank ? " " : "") + answer;
}

// The answers of each relation, each once, in the order of the facts.
std::map<std::string, std::vector<std::string>> answers_by_relation(const data::FactSet& set) {
  std::map<std::string, std::vector<std::string>> result;
  for (const auto& fact : set.facts) {
    if (fact.answers.empty()) continue;
    auto& list = result[fact.relation];
    if (list.size() < 512 && !is_in(fact.answers.front(), list)) list.push_back(fact.answers.front());
  }
  return result;
}

// Where the model was right: the other answer of the relation whose first token is the likeliest after the prompt.
void find_rivals(const readout::AnalysisInput& input, std::vector<Contest>& contests) {
  const auto pools = answers_by_relation(input.facts);
  std::vector<OptionItem> items;
  std::vector<size_t> places;
  std::vector<std::vector<std::string>> rivals;
  for (size_t i = 0; i < contests.size(); ++i) {
    Contest& c = contests[i];
    if (!c.wrong_text.empty()) continue;
    std::vector<std::string> others;
    const auto pool = pools.find(c.relation);
    if (pool != pools.end())
      for (const auto& answer : pool->second)
        if (!data::same_answer(answer, input.facts.facts[c.index].answers)) others.push_back(answer);
    if (others.empty()) continue;
    OptionItem item{c.request.prompt.text, {}, c.request.prompt.chat};
    for (const auto& answer : others) item.options.push_back(option(c.request.prompt, answer));
    items.push_back(std::move(item));
    places.push_back(i);
    rivals.push_back(std::move(others));
  }
  const auto first_tokens = [&](const OptionItem& item) { return option_tokens(input.model, item, "contest"); };
  std::vector<OptionTokens> asked;
  for (const auto& item : items) {
    asked.push_back(first_tokens(item));
    for (auto& tokens : asked.back().options) tokens.resize(1);
  }
  const auto scores = score_tokens(input.model, asked, input.compute);
  for (size_t n = 0; n < places.size(); ++n) {
    const auto best = std::max_element(scores[n].begin(), scores[n].end(),
                                       [](const auto& a, const auto& b) { return a.logprob < b.logprob; });
    contests[places[n]].wrong_text = rivals[n][size_t(best - scores[n].begin())];
  }
}

std::vector<Contest> with_tokens(const model::Model& model, std::vector<Contest> contests) {
  std::erase_if(contests, [&](Contest& c) { return c.wrong_text.empty() || !set_tokens(model, c); });
  return contests;
}

void answer_all(const readout::AnalysisInput& input, std::vector<Contest>& contests) {
  std::vector<generate::Request> requests;
  for (const Contest& c : contests) requests.push_back(c.request);
  const auto answers = greedy_answers(input.model, requests, input.compute);
  for (size_t i = 0; i < contests.size(); ++i) contests[i].given = answers[i].text;
}

}  // namespace

bool set_tokens(const model::Model& model, Contest& c) {
  const generate::Prompt& prompt = c.request.prompt;
  const auto read = option_tokens(
      model, {prompt.text, {option(prompt, c.right_text), option(prompt, c.wrong_text)}, prompt.chat}, "contest");
  const auto &right = read.options[0], &wrong = read.options[1];
  const auto parting = std::mismatch(right.begin(), right.end(), wrong.begin(), wrong.end());
  if (parting.first == right.end() || parting.second == wrong.end()) return false;
  c.right_tokens = right, c.wrong_tokens = wrong;
  c.tokens = read.prompt;
  c.tokens.insert(c.tokens.end(), right.begin(), parting.first);
  c.shared = size_t(parting.first - right.begin());
  c.right = *parting.first, c.wrong = *parting.second;
  return true;
}

std::vector<Contest> closed_book_contests(const readout::AnalysisInput& input, size_t max_items) {
  std::vector<Contest> contests;
  for (const size_t i : draw(input.facts.facts.size(), max_items, input.seed)) {
    const data::Fact& fact = input.facts.facts[i];
    if (fact.answers.empty()) continue;
    Contest c;
    c.request = closed_book(fact, input.style);
    c.right_text = fact.answers.front();
    c.kind = "closed book", c.index = i, c.group = fact.group, c.relation = fact.relation, c.exposure = fact.exposure;
    contests.push_back(std::move(c));
  }
  answer_all(input, contests);
  for (Contest& c : contests) {
    c.failed = !data::same_answer(c.given, input.facts.facts[c.index].answers);
    if (c.failed) c.wrong_text = c.given;
  }
  // A text that holds no answer at all cannot be compared with one.
  std::erase_if(contests, [](const Contest& c) { return c.failed && c.given.empty(); });
  find_rivals(input, contests);
  return with_tokens(input.model, std::move(contests));
}

std::vector<Contest> passage_contests(const readout::AnalysisInput& input, const std::string& intent,
                                      size_t max_items) {
  std::map<std::string, const data::Fact*> facts;
  for (const auto& fact : input.facts.facts) facts.emplace(fact.id, &fact);
  std::vector<Contest> contests;
  const bool memory = intent == "memory";
  for (size_t i = 0; i < input.facts.contexts.size(); ++i) {
    const data::ContextCase& item = input.facts.contexts[i];
    const std::string asked_for = item.intent.empty() ? "none" : item.intent;
    if (item.kind != "conflict" || asked_for != intent || item.context_answers.empty() || item.answers.empty())
      continue;
    Contest c;
    c.request = with_passage(item, input.style);
    c.right_text = memory ? item.answers.front() : item.context_answers.front();
    c.wrong_text = memory ? item.context_answers.front() : item.answers.front();
    c.kind = "passage", c.index = i, c.exposure = item.exposure;
    const auto fact = facts.find(item.fact);
    c.group = !item.group.empty() || fact == facts.end() ? item.group : fact->second->group;
    if (fact != facts.end()) c.relation = fact->second->relation;
    contests.push_back(std::move(c));
  }
  std::vector<Contest> chosen;
  for (const size_t i : draw(contests.size(), max_items, input.seed)) chosen.push_back(std::move(contests[i]));
  answer_all(input, chosen);
  for (Contest& c : chosen) {
    const auto& item = input.facts.contexts[c.index];
    c.failed = data::same_answer(c.given, memory ? item.context_answers : item.answers);
  }
  return with_tokens(input.model, std::move(chosen));
}

std::vector<std::vector<int64_t>> exposure_cells(const std::vector<Contest>& contests) {
  std::vector<int64_t> exposures;
  for (const Contest& c : contests)
    if (c.kind == "closed book") exposures.push_back(c.exposure);
  std::sort(exposures.begin(), exposures.end());
  const auto quarter = [&](int64_t x) {
    const auto place = std::lower_bound(exposures.begin(), exposures.end(), x) - exposures.begin();
    return 4 * place / int64_t(exposures.size());
  };
  std::map<std::pair<std::string, int64_t>, std::vector<int64_t>> cells;
  for (size_t i = 0; i < contests.size(); ++i)
    if (contests[i].kind == "closed book")
      cells[{contests[i].relation, quarter(contests[i].exposure)}].push_back(int64_t(i));
  std::vector<std::vector<int64_t>> result;
  for (auto& [name, items] : cells) result.push_back(std::move(items));
  return result;
}

}  // namespace ken::evidence
