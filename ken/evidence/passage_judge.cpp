#include "ken/evidence/passage_judge.h"

#include "ken/base/error.h"
#include "ken/base/rng.h"
#include "ken/stats/stats.h"

namespace ken::evidence {

PassageJudge::PassageJudge(const model::Model& model, const data::FactSet& facts, const data::PromptStyle& style,
                           uint64_t seed, const PassageSizes& sizes)
    : model_(model), style_(style) {
  for (const auto& [kind, most] : std::map<std::string, size_t>{
           {"conflict", sizes.conflict}, {"agree", sizes.agree}, {"irrelevant", sizes.irrelevant}}) {
    std::vector<const data::ContextCase*> items;
    for (const auto& item : facts.contexts)
      if (item.kind == kind && item.intent == "none") items.push_back(&item);
    Rng(seed).shuffle(items);
    if (items.size() > most) items.resize(most);
    std::vector<generate::Request> closed;
    std::vector<std::string> groups;
    for (const auto* item : items) {
      closed.push_back(with_passage(*item, style));
      closed.back().prompt = {closed.back().prompt.without_context, "", closed.back().prompt.chat};
      groups.push_back(item->group);
    }
    std::vector<char> known(items.size(), 1);
    if (kind == "conflict") {
      const auto memory = greedy_answers(model, closed, nn::Compute::f32);
      for (size_t i = 0; i < items.size(); ++i) known[i] = data::same_answer(memory[i].text, items[i]->answers);
    }
    const std::vector<int> folds = stats::grouped_folds(groups, 2, seed);
    for (const Part part : {Part::choice, Part::judged}) {
      auto& kept = cases_[{part, kind}];
      for (size_t i = 0; i < items.size(); ++i)
        if (known[i] && (folds[i] == 0) == (part == Part::choice)) kept.push_back(items[i]);
      if (kept.empty() && most > 0)
        fail("facts", "there are too few {} passages: {} of {} remain, none for one of two parts", kind, kept.size(),
             items.size());
    }
  }
}

std::span<const data::ContextCase* const> PassageJudge::cases(Part part, const std::string& kind) const {
  return cases_.at({part, kind});
}

std::vector<generate::Generated> PassageJudge::answers(Part part, const std::string& kind,
                                                       const Controls& controls) const {
  std::vector<generate::Request> requests;
  for (const auto* item : cases(part, kind)) {
    requests.push_back(with_passage(*item, style_));
    requests.back().controls = controls;
  }
  return greedy_answers(model_, requests, nn::Compute::f32);
}

double PassageJudge::right(Part part, const std::string& kind, const Controls& controls) const {
  const auto given = answers(part, kind, controls);
  const auto items = cases(part, kind);
  double hits = 0;
  for (size_t i = 0; i < given.size(); ++i) hits += data::same_answer(given[i].text, items[i]->answers);
  return hits / double(given.size());
}

double PassageJudge::Sources::memory_ratio() const { return holds_memory / (holds_memory + holds_context); }

PassageJudge::Sources PassageJudge::conflict(Part part, const Controls& controls) const {
  const auto& items = cases_.at({part, "conflict"});
  const auto given = answers(part, "conflict", controls);
  Sources s;
  s.n = int64_t(items.size());
  for (size_t i = 0; i < items.size(); ++i) {
    const std::string side = followed(given[i].text, *items[i], items[i]->answers);
    (side == "context" ? s.context : side == "memory" ? s.memory : s.neither) += 1 / double(s.n);
    s.holds_context += data::contains_answer(given[i].text, items[i]->context_answers) / double(s.n);
    s.holds_memory += data::contains_answer(given[i].text, items[i]->answers) / double(s.n);
  }
  std::vector<std::vector<generate::Prompt>> prompts;
  for (const auto* item : items) {
    const generate::Prompt prompt = with_passage(*item, style_).prompt;
    prompts.push_back({prompt, {prompt.without_context, "", prompt.chat}});
  }
  s.fluency = evidence::fluency(model_, prompts, given);
  return s;
}

}  // namespace ken::evidence
