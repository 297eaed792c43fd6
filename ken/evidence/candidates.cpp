#include "ken/evidence/candidates.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "ken/base/rng.h"
#include "ken/evidence/evidence.h"
#include "ken/stats/logistic.h"
#include "ken/stats/stats.h"

namespace ken::evidence {
namespace {

constexpr int64_t attempts = 16;  // samples in which a wrong answer is looked for

class Distinct {
 public:
  Distinct(const data::Fact& fact, std::vector<Candidate>& list) : fact_(fact), list_(list) {}
  Candidate* add(const std::string& text) {
    const std::string normal = data::normalize_answer(text);
    if (normal.empty()) return nullptr;
    const size_t at = size_t(std::find(normal_.begin(), normal_.end(), normal) - normal_.begin());
    if (at == normal_.size()) {
      normal_.push_back(normal);
      list_.push_back({text, data::same_answer(text, fact_.answers)});
    }
    return &list_[at];
  }

 private:
  const data::Fact& fact_;
  std::vector<Candidate>& list_;
  std::vector<std::string> normal_;
};

}  // namespace

FactSplit split_facts(const readout::AnalysisInput& input, const std::string& judge) {
  std::vector<std::string> groups;
  for (const auto& fact : input.facts.facts) groups.push_back(fact.group);
  const std::vector<int> half = stats::grouped_folds(groups, 2, input.seed);
  std::set<std::string> judged_groups;
  FactSplit split;
  for (size_t i = 0; i < groups.size(); ++i) {
    const data::Fact& fact = input.facts.facts[i];
    if (fact.answers.empty() || !(judge.empty() ? half[i] == 0 : fact.extra.value(judge, false))) continue;
    judged_groups.insert(fact.group);
    split.judged.push_back(fact);
  }
  for (const auto& fact : input.facts.facts)
    if (!fact.answers.empty() && !judged_groups.count(fact.group)) split.others.push_back(fact);
  return split;
}

std::vector<data::Fact> draw_facts(std::vector<data::Fact> facts, size_t most, uint64_t seed) {
  Rng(seed).shuffle(facts);
  facts.resize(std::min(facts.size(), most));
  return facts;
}

std::vector<std::vector<Candidate>> answer_candidates(const readout::AnalysisInput& input,
                                                      const std::vector<data::Fact>& facts, int64_t samples,
                                                      double temperature) {
  std::vector<generate::Request> requests;
  for (const auto& fact : facts) requests.push_back(closed_book(fact, input.style));
  const auto found = gather(input.model, requests, {.greedy = true, .samples = samples, .temperature = temperature},
                            {input.compute, input.seed, 0});
  std::vector<std::vector<Candidate>> result(facts.size());
  for (size_t i = 0; i < facts.size(); ++i) {
    Distinct distinct(facts[i], result[i]);
    if (Candidate* c = distinct.add(found[i].greedy.text)) c->greedy = true;
    for (const auto& sample : found[i].samples)
      if (Candidate* c = distinct.add(sample.text)) ++c->samples;
    if (!facts[i].answers.empty()) distinct.add(facts[i].answers.front());
  }
  return result;
}

double pairs_won(const std::vector<Candidate>& candidates, std::span<const double> scores) {
  int64_t won = 0, pairs = 0;
  for (size_t a = 0; a < candidates.size(); ++a)
    for (size_t b = 0; b < candidates.size(); ++b)
      if (candidates[a].right && !candidates[b].right) ++pairs, won += scores[a] > scores[b];
  return pairs ? double(won) / double(pairs) : NAN;
}

bool two_classes(const std::vector<Candidate>& candidates) {
  const auto right = [](const Candidate& c) { return c.right; };
  return std::any_of(candidates.begin(), candidates.end(), right) &&
         !std::all_of(candidates.begin(), candidates.end(), right);
}

bool right_was_given(const std::vector<Candidate>& candidates) {
  return std::any_of(candidates.begin(), candidates.end(), [](const Candidate& c) { return c.right && c.given(); });
}

bool best_is_right(const std::vector<Candidate>& candidates, std::span<const double> scores, bool all) {
  size_t best = candidates.size();
  for (size_t c = 0; c < candidates.size(); ++c)
    if ((all || candidates[c].given()) && (best == candidates.size() || scores[c] > scores[best])) best = c;
  return best < candidates.size() && candidates[best].right;
}

Json choice_accuracies(const std::vector<std::string>& scorers, const std::vector<ScoredCandidates>& questions) {
  const auto share = [&](const auto& right) {
    const auto hits = std::count_if(questions.begin(), questions.end(), right);
    return stats::to_json(stats::proportion(hits, int64_t(questions.size()), "accuracy"));
  };
  const auto best_by = [&](const auto& score) {
    return share([&](const ScoredCandidates& q) {
      std::vector<double> scores;
      for (const auto& candidate : *q.candidates) scores.push_back(score(candidate));
      return best_is_right(*q.candidates, scores, false);
    });
  };
  Json result{{"greedy", best_by([](const Candidate& c) { return double(c.greedy); })},
              {"majority", best_by([](const Candidate& c) { return double(c.samples); })},
              {"oracle", share([](const ScoredCandidates& q) { return right_was_given(*q.candidates); })}};
  for (size_t s = 0; s < scorers.size(); ++s)
    for (const bool all : {false, true})
      result[scorers[s] + (all ? ", gold added" : "")] =
          share([&](const ScoredCandidates& q) { return best_is_right(*q.candidates, q.scores[s], all); });
  return result;
}

ForcedPairs forced_pairs(const readout::AnalysisInput& input, const std::vector<data::Fact>& facts,
                         double temperature) {
  std::vector<generate::Request> requests;
  for (const auto& fact : facts) requests.push_back(closed_book(fact, input.style));
  const auto given = gather(input.model, requests, {.greedy = true, .samples = attempts, .temperature = temperature},
                            {input.compute, input.seed, uint64_t{1} << 32});  // other noise than the candidates'
  ForcedPairs pairs;
  for (size_t i = 0; i < facts.size(); ++i) {
    if (!data::same_answer(given[i].greedy.text, facts[i].answers)) continue;
    const auto wrong = std::find_if(given[i].samples.begin(), given[i].samples.end(), [&](const auto& sample) {
      return !data::normalize_answer(sample.text).empty() && !data::same_answer(sample.text, facts[i].answers);
    });
    if (wrong == given[i].samples.end()) continue;
    pairs.items.push_back(with_answers(input.style, requests[i], {{given[i].greedy.text, true}, {wrong->text, false}}));
    for (const int label : {1, 0}) pairs.labels.push_back(label), pairs.groups.push_back(facts[i].group);
  }
  return pairs;
}

OptionItem with_answers(const data::PromptStyle& style, const generate::Request& request,
                        const std::vector<Candidate>& candidates) {
  OptionItem item{request.prompt.text, {}, request.prompt.chat};
  for (const auto& candidate : candidates) item.options.push_back((style.chat ? "" : " ") + candidate.text);
  return item;
}

std::vector<std::vector<double>> p_true(const readout::AnalysisInput& input, const std::vector<data::Fact>& facts,
                                        const std::vector<std::vector<Candidate>>& candidates) {
  std::vector<OptionItem> items;
  for (size_t i = 0; i < facts.size(); ++i)
    for (const auto& candidate : candidates[i])
      items.push_back(
          verdicts({.id = facts[i].id, .fact = facts[i].id, .statement = statement_with(facts[i], candidate.text)},
                   input.style));
  const auto scores = score_options(input.model, items, input.compute);
  std::vector<std::vector<double>> result(facts.size());
  size_t next = 0;
  for (size_t i = 0; i < facts.size(); ++i)
    for (size_t c = 0; c < candidates[i].size(); ++c, ++next)
      result[i].push_back(stats::sigmoid(scores[next][0].logprob - scores[next][1].logprob));
  return result;
}

}  // namespace ken::evidence
