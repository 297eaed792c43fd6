#include "ken/evidence/retrieval.h"

#include <algorithm>
#include <array>

#include "ken/base/error.h"
#include "ken/base/rng.h"
#include "ken/base/select.h"
#include "ken/stats/stats.h"

namespace ken::evidence {
namespace {

const std::vector<std::string>& answers_of(const data::ContextCase& item) {
  return item.context_answers.empty() ? item.answers : item.context_answers;
}

void add_case(PassagePool& pool, const data::ContextCase& item, size_t words) {
  Asked asked{&item, {}};
  for (auto& text : data::chunks(item.context, words)) {
    if (data::contains_answer(text, answers_of(item))) asked.gold.push_back(pool.pieces.size());
    pool.pieces.push_back({{item.id, std::move(text)}, item.group});
  }
  if (!asked.gold.empty()) pool.questions.push_back(asked);
}

// The question beside these pieces; the last ones are left out where they do not fit the model's context.
generate::Request asked_beside(const readout::AnalysisInput& input, const PassagePool& pool, data::ContextCase item,
                               std::vector<size_t> pieces) {
  for (;; pieces.pop_back()) {
    item.context.clear();
    for (const size_t p : pieces) item.context += (item.context.empty() ? "" : " ") + pool.pieces[p].passage.text;
    auto request = with_passage(item, input.style);
    const auto tokens = generate::prompt_ids(input.model, request.prompt.text, request.prompt.chat.get()).size();
    if (pieces.size() < 2 || int64_t(tokens) + request.max_tokens <= input.model.config.context) return request;
  }
}

}  // namespace

std::vector<data::Passage> PassagePool::passages() const {
  std::vector<data::Passage> result;
  for (const auto& piece : pieces) result.push_back(piece.passage);
  return result;
}

std::pair<PassagePool, PassagePool> two_pools(const readout::AnalysisInput& input, const std::string& kind,
                                              size_t words, size_t most) {
  std::vector<const data::ContextCase*> cases;
  std::vector<std::string> groups;
  for (const auto& item : input.facts.contexts)
    if (item.kind == kind) cases.push_back(&item);
  Rng(input.seed).shuffle(cases);
  for (const auto* item : cases) groups.push_back(item->group);
  const auto fold = stats::grouped_folds(groups, 2, input.seed);
  PassagePool one, other;
  std::array<size_t, 2> taken{};
  for (size_t i = 0; i < cases.size(); ++i)
    if (taken[size_t(fold[i])]++ < most) add_case(fold[i] ? other : one, *cases[i], words);
  if (std::min(one.questions.size(), other.questions.size()) < 20)
    fail("retrieval", "{} and {} questions beside passages of kind '{}' are too few for two halves; 20 are needed",
         one.questions.size(), other.questions.size(), kind);
  return {one, other};
}

Ranking ranked_by(const data::Retriever& retriever, const PassagePool& pool, size_t k) {
  Ranking result;
  for (const auto& asked : pool.questions) {
    result.emplace_back();
    for (const auto& hit : retriever.search(asked.item->question, k)) result.back().push_back(hit.passage);
  }
  return result;
}

void judge(const readout::AnalysisInput& input, const PassagePool& pool, const Ranking& ranking, size_t k,
           std::map<std::string, Count>& counts) {
  Count &recall = counts[fmt::format("recall@{}", k)], &answered = counts[fmt::format("answers@{}", k)];
  std::vector<generate::Request> requests;
  for (size_t i = 0; i < pool.questions.size(); ++i) {
    const auto& gold = pool.questions[i].gold;
    const std::vector<size_t> first(ranking[i].begin(), ranking[i].begin() + long(std::min(k, ranking[i].size())));
    recall.hits += std::any_of(first.begin(), first.end(), [&](size_t p) { return is_in(p, gold); });
    requests.push_back(asked_beside(input, pool, *pool.questions[i].item, first));
  }
  const auto answers = greedy_answers(input.model, requests, input.compute);
  for (size_t i = 0; i < answers.size(); ++i)
    answered.hits += data::same_answer(answers[i].text, answers_of(*pool.questions[i].item));
  recall.n += int64_t(answers.size()), answered.n += int64_t(answers.size());
}

}  // namespace ken::evidence
