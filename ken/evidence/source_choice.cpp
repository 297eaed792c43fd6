// Everything that no Control changes is asked once, when the items are chosen.
#include "ken/evidence/source_choice.h"

#include "ken/base/error.h"
#include "ken/base/select.h"
#include "ken/evidence/asking.h"

namespace ken::evidence {
namespace {

constexpr int choice_folds = 5;
constexpr size_t least = 20, agreeing = 100;

Json share(int64_t hits, int64_t n, const char* metric) { return stats::to_json(stats::proportion(hits, n, metric)); }

}  // namespace

double SourceRates::flipped(bool context_wanted) const {
  const int64_t of = context_wanted ? from_memory : from_context;
  return of ? double(context_wanted ? to_context : to_memory) / double(of) : 0;
}

Json to_json(const SourceRates& r) {
  return {{"context", share(r.context, r.n, "context_answers")},
          {"memory", share(r.memory, r.n, "memory_answers")},
          {"neither", share(r.neither(), r.n, "neither")},
          {"memory_to_context", share(r.to_context, r.from_memory, "flipped_to_context")},
          {"context_to_memory", share(r.to_memory, r.from_context, "flipped_to_memory")}};
}

data::FactSet conflicts_of(const data::FactSet& facts) {
  data::FactSet set = facts;
  std::erase_if(set.contexts, [](const auto& item) { return undirected(item) && item.kind != "conflict"; });
  return set;
}

SourceChoice::SourceChoice(const readout::AnalysisInput& given, size_t max_items) : input(given) {
  std::vector<const data::ContextCase*> conflicts;
  for (const auto& item : input.facts.contexts)
    if (item.kind == "conflict" && undirected(item) && !item.answers.empty() && !item.context_answers.empty())
      conflicts.push_back(&item);
  conflicts = pick(conflicts, draw(conflicts.size(), max_items, input.seed));
  std::vector<generate::Request> requests;
  for (const auto* item : conflicts) {
    requests.push_back(with_passage(*item, input.style));
    requests.push_back(requests.back());
    requests.back().prompt = {requests.back().prompt.without_context, "", requests.back().prompt.chat};
  }
  const auto texts = answers(requests, {});
  std::vector<std::string> groups;
  for (size_t i = 0; i < conflicts.size(); ++i) {
    const data::ContextCase& item = *conflicts[i];
    if (!data::same_answer(texts[2 * i + 1], item.answers)) continue;
    items.push_back(
        {item, item.group.empty() ? item.question : item.group, followed(texts[2 * i], item, item.answers)});
    groups.push_back(items.back().group);
  }
  const auto fold = stats::grouped_folds(groups, choice_folds, input.seed);
  for (size_t i = 0; i < items.size(); ++i)
    items[i].part = fold[i] < 2 ? Part::test : fold[i] == 2 ? Part::validation : Part::train;
  for (const Part part : {Part::test, Part::validation, Part::train})
    if (of(part).size() < least)
      fail(
          "conflicts",
          "of {} passages that contradict a fact the model knows {}; a part of them holds {}, {} are needed. Give more "
          "conflict cases of facts that the model answers rightly without a passage",
          conflicts.size(), items.size(), of(part).size(), least);
}

std::vector<size_t> SourceChoice::of(Part part) const {
  std::vector<size_t> result;
  for (size_t i = 0; i < items.size(); ++i)
    if (items[i].part == part) result.push_back(i);
  return result;
}

std::vector<std::vector<int32_t>> SourceChoice::prompts(const std::vector<size_t>& which) const {
  std::vector<std::vector<int32_t>> result;
  for (const size_t i : which) {
    const auto request = with_passage(items[i].item, input.style);
    result.push_back(generate::prompt_ids(input.model, request.prompt.text, request.prompt.chat.get()));
  }
  return result;
}

std::vector<std::string> SourceChoice::answers(const std::vector<generate::Request>& requests,
                                               const std::vector<generate::ControlSpec>& controls) const {
  std::vector<generate::Request> asked = requests;
  for (auto& request : asked) request.controls = controls;
  std::vector<std::string> texts;
  for (auto& answer : greedy_answers(input.model, asked, input.compute)) texts.push_back(std::move(answer.text));
  return texts;
}

SourceRates SourceChoice::rates(Part part, const std::vector<generate::ControlSpec>& controls) const {
  const auto which = of(part);
  std::vector<generate::Request> requests;
  for (const size_t i : which) requests.push_back(with_passage(items[i].item, input.style));
  const auto texts = answers(requests, controls);
  SourceRates r;
  for (size_t n = 0; n < which.size(); ++n) {
    const SourceItem& item = items[which[n]];
    const std::string side = followed(texts[n], item.item, item.item.answers);
    ++r.n, r.context += side == "context", r.memory += side == "memory";
    r.from_memory += item.side == "memory", r.to_context += item.side == "memory" && side == "context";
    r.from_context += item.side == "context", r.to_memory += item.side == "context" && side == "memory";
  }
  return r;
}

size_t SourceChoice::best(bool context, const std::vector<std::pair<Json, generate::ControlSpec>>& candidates,
                          Json& tried) const {
  size_t found = 0;
  int64_t most = -1;
  for (size_t i = 0; i < candidates.size(); ++i) {
    const SourceRates r = rates(Part::validation, {candidates[i].second});
    const int64_t followed = context ? r.context : r.memory;
    tried.push_back({{"setting", candidates[i].first}, {"rates", to_json(r)}});
    if (followed > most) most = followed, found = i;
  }
  return found;
}

Json SourceChoice::side_effects(const std::vector<generate::ControlSpec>& controls) const {
  std::vector<size_t> agree;
  for (size_t i = 0; i < input.facts.contexts.size(); ++i)
    if (input.facts.contexts[i].kind == "agree") agree.push_back(i);
  std::vector<generate::Request> requests;
  std::vector<const std::vector<std::string>*> accepted;
  for (const size_t i : draw(agree, agreeing, input.seed)) {
    requests.push_back(with_passage(input.facts.contexts[i], input.style));
    accepted.push_back(&input.facts.contexts[i].answers);
  }
  const size_t beside = requests.size();
  for (const size_t i : of(Part::test)) {
    requests.push_back(with_passage(items[i].item, input.style));
    requests.back().prompt = {requests.back().prompt.without_context, "", requests.back().prompt.chat};
    accepted.push_back(&items[i].item.answers);
  }
  const auto texts = answers(requests, controls);
  int64_t hits[2] = {0, 0};
  for (size_t i = 0; i < texts.size(); ++i) hits[i >= beside] += data::same_answer(texts[i], *accepted[i]);
  return {{"agree", share(hits[0], int64_t(beside), "right_beside_agreeing_passage")},
          {"closed_book", share(hits[1], int64_t(texts.size() - beside), "right_closed_book")},
          {"fluency", stats::to_json(fluency(input, controls))}};
}

stats::Number fluency(const readout::AnalysisInput& input, const std::vector<generate::ControlSpec>& controls,
                      int64_t texts, int64_t tokens) {
  const data::Texts all = input.some_texts();
  std::vector<generate::Request> requests;
  for (int64_t i = 0; i < std::min(texts, all.count); ++i) {
    auto ids = model::prompt_ids(input.model, all.at(i));
    ids.resize(std::min(ids.size() / 2, size_t(std::max<int64_t>(1, input.model.config.context - tokens))));
    if (ids.empty()) continue;
    generate::Request request;
    request.tokens = std::move(ids);
    request.max_tokens = tokens;
    request.controls = controls;
    requests.push_back(std::move(request));
  }
  const auto written = greedy_answers(input.model, requests, input.compute);
  std::vector<OptionTokens> scored;
  for (size_t i = 0; i < requests.size(); ++i)
    if (!written[i].tokens.empty()) scored.push_back({requests[i].tokens, {written[i].tokens}});
  std::vector<double> means;
  for (const auto& scores : score_tokens(input.model, scored, input.compute))
    means.push_back(scores[0].logprob / double(scores[0].tokens));
  return stats::mean(means, input.seed, "mean_logprob_of_written_tokens");
}

}  // namespace ken::evidence
