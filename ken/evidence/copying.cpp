#include "ken/evidence/copying.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "ken/base/error.h"
#include "ken/base/select.h"
#include "ken/evidence/source.h"
#include "ken/readout/lens.h"
#include "ken/stats/stats.h"

namespace ken::evidence {

Copying copying_against_memory(const readout::AnalysisInput& input, size_t most) {
  Copying items{passage_contests(input, "none", most), {}, {}, {}, {}};
  std::vector<generate::Request> alone;
  for (const Contest& c : items.contests) alone.push_back(without_passage(c.request));
  const auto remembered = greedy_answers(input.model, alone, input.compute);
  for (size_t i = 0; i < items.contests.size(); ++i) items.contests[i].wrong_text = remembered[i].text;
  std::erase_if(items.contests, [&](Contest& c) {
    return c.wrong_text.empty() || data::same_answer(c.wrong_text, {c.right_text}) || !set_tokens(input.model, c);
  });
  if (items.contests.size() < 60)
    fail("copying",
         "{} passages contradict what the model remembers without an instruction; 60 are needed; give more passages",
         items.contests.size());
  std::map<std::string, double> numbers;
  for (const auto& fact : input.facts.facts)
    if (!fact.answers.empty()) ++numbers[data::normalize_answer(fact.answers.front())];
  std::vector<Contest> plain = items.contests;
  for (Contest& c : plain) {
    c.request = without_passage(c.request);
    set_tokens(input.model, c);
    items.frequency.push_back(std::log(1 + numbers[data::normalize_answer(c.wrong_text)]));
  }
  const Tensor states = readout::last_states(input.model, tokens_of(plain), input.compute);
  std::vector<int64_t> targets;
  std::vector<std::string> groups;
  for (const Contest& c : plain) targets.push_back(c.wrong), groups.push_back(c.group);
  const int64_t last = states.size(1) - 1;
  const Tensor final = states.narrow(1, last, 1);
  const readout::Lens none;
  const at::NoGradGuard no_gradients;
  for (int64_t i = 0; i < states.size(0); ++i) {
    const Tensor logits = none.read(input.model, last, final[i], input.compute);
    items.prior.push_back(at::log_softmax(logits, -1)[0][targets[size_t(i)]].item<double>());
  }
  const auto folds = stats::grouped_folds(groups, 3, input.seed);
  for (size_t i = 0; i < folds.size(); ++i) (folds[i] == 0 ? items.judged : items.fit).push_back(i);
  return items;
}

CopyJudge::CopyJudge(const readout::AnalysisInput& input, const Copying& items, size_t side_items)
    : input_(input), items_(items) {
  std::set<std::string> groups;
  for (const size_t i : items.judged) groups.insert(items.contests[i].group);
  for (const auto& fact : input.facts.facts)
    if (groups.count(fact.group) && recall_.requests.size() < side_items) {
      recall_.requests.push_back(closed_book(fact, input.style));
      recall_.answers.push_back(fact.answers);
    }
  for (const auto& item : input.facts.contexts)
    if (item.kind == "conflict" && item.intent == "memory" && memory_.requests.size() < side_items) {
      memory_.requests.push_back(with_passage(item, input.style));
      memory_.answers.push_back(item.answers);
    }
}

double CopyJudge::share(const model::Model& model, const Asked& asked,
                        const std::vector<generate::ControlSpec>& how) const {
  if (asked.requests.empty()) return NAN;
  std::vector<generate::Request> requests = asked.requests;
  for (auto& request : requests) request.controls = how;
  const auto given = greedy_answers(model, requests, input_.compute);
  double right = 0;
  for (size_t i = 0; i < given.size(); ++i) right += data::same_answer(given[i].text, asked.answers[i]);
  return right / double(given.size());
}

CopyJudge::Result CopyJudge::operator()(const model::Model& model, const std::vector<size_t>& which,
                                        const std::vector<generate::ControlSpec>& controls,
                                        const std::string& instruction) const {
  std::vector<generate::Request> requests;
  for (const size_t i : which) {
    data::ContextCase item = input_.facts.contexts[items_.contests[i].index];
    if (!instruction.empty()) item.instruction = instruction;
    requests.push_back(with_passage(item, input_.style));
    requests.back().controls = controls;
  }
  const auto given = greedy_answers(model, requests, input_.compute);
  std::vector<double> error, prior = pick(items_.prior, which), sorted = prior;
  std::sort(sorted.begin(), sorted.end());
  Result r;
  double highs = 0;
  for (size_t i = 0; i < which.size(); ++i) {
    const auto& answers = input_.facts.contexts[items_.contests[which[i]].index].context_answers;
    const bool right = data::same_answer(given[i].text, answers), high = prior[i] >= sorted[sorted.size() / 2];
    error.push_back(!right);
    r.right += right, highs += high, (high ? r.high : r.low) += right;
  }
  r.n = int64_t(which.size());
  r.accuracy = double(r.right) / double(r.n);
  r.high /= std::max(1.0, highs), r.low /= std::max(1.0, double(r.n) - highs);
  r.correlation = stats::spearman(error, prior);
  if (std::isnan(r.correlation)) r.correlation = 0;
  r.recall = share(model, recall_, controls);
  r.memory = share(model, memory_, controls);
  return r;
}

}  // namespace ken::evidence
