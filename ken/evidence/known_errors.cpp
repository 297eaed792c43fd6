#include "ken/evidence/known_errors.h"

#include <algorithm>
#include <map>

#include "ken/base/error.h"
#include "ken/base/rng.h"
#include "ken/evidence/asking.h"

namespace ken::evidence {
namespace {

constexpr size_t bad_shots = 3, spare = 2;  // an asked item gives way to at most two examples

// Questions of different groups with their own answers, or with another answer of their relation.
std::vector<data::Example> examples(const readout::AnalysisInput& input, size_t count, bool wrong) {
  std::vector<const data::Fact*> order;
  for (const auto& fact : input.facts.facts)
    if (!fact.answers.empty()) order.push_back(&fact);
  Rng(input.seed, 5).shuffle(order);
  std::vector<data::Example> result;
  for (const auto* fact : order) {
    if (result.size() == count) break;
    const auto taken = [&](const data::Example& e) { return e.group == fact->group; };
    if (std::any_of(result.begin(), result.end(), taken)) continue;
    const auto other = std::find_if(order.begin(), order.end(), [&](const auto* f) {
      return f->relation == fact->relation && !data::same_answer(f->answers.front(), fact->answers);
    });
    if (wrong && other == order.end()) continue;
    result.push_back({fact->id, fact->subject, fact->group, fact->question, fact->beginning,
                      wrong ? (*other)->answers.front() : fact->answers.front()});
  }
  return result;
}

void add_passages(const readout::AnalysisInput& input, std::vector<Derailed>& cases) {
  std::map<std::string, const data::Fact*> facts;
  for (const auto& fact : input.facts.facts) facts.emplace(fact.id, &fact);
  auto contexts = input.facts.contexts;
  std::erase_if(contexts, [&](const auto& item) {
    return item.kind != "conflict" || !undirected(item) || !facts.count(item.fact);
  });
  if (contexts.empty()) contexts = data::swap_contexts(input.facts, input.seed, input.facts.facts.size());
  for (const auto& item : contexts) cases.push_back({facts.at(item.fact), with_passage(item, input.style)});
}

void add_derailed(const readout::AnalysisInput& input, const DerailOptions& options, std::vector<Derailed>& cases) {
  const bool told = options.derail == "story";
  const size_t shots = told ? 1 : bad_shots;
  data::PromptStyle style = input.style;
  style.examples = examples(input, shots + spare, !told);
  style.shots = std::min(shots, style.examples.size());
  for (const auto& fact : input.facts.facts) {
    const data::Asked asked{fact.question, fact.beginning, fact.id, fact.subject, fact.group};
    const std::string text = told ? data::ask_with_context(style, options.story, "", asked) : data::ask(style, asked);
    cases.push_back({&fact, request_of(input.style, {text, data::ask(input.style, asked)})});
  }
}

void count_knowledge(const readout::AnalysisInput& input, const DerailOptions& options, std::vector<Derailed>& cases) {
  std::vector<generate::Request> requests;
  std::vector<std::vector<std::string>> accepted;
  for (const Derailed& item : cases) {
    requests.push_back(closed_book(*item.fact, input.style));
    accepted.push_back(item.fact->answers);
  }
  const auto counts = knowledge_counts(input.model, requests, accepted, options.samples, options.temperature,
                                       input.seed, input.compute);
  for (size_t i = 0; i < counts.size(); ++i) cases[i].count = counts[i];
}

}  // namespace

std::vector<Derailed> known_errors(const readout::AnalysisInput& input, const DerailOptions& options) {
  std::vector<Derailed> cases, result;
  if (options.derail == "passage")
    add_passages(input, cases);
  else
    add_derailed(input, options, cases);
  Rng(input.seed, 6).shuffle(cases);
  if (cases.size() > options.max_items) cases.erase(cases.begin() + long(options.max_items), cases.end());
  count_knowledge(input, options, cases);
  std::erase_if(cases, [&](const Derailed& item) { return item.count != 0 && item.count != options.samples + 1; });
  std::vector<generate::Request> requests;
  for (const Derailed& item : cases) requests.push_back(item.request);
  const auto answers = greedy_answers(input.model, requests, input.compute);
  for (size_t i = 0; i < cases.size(); ++i) {
    Derailed& item = cases[i];
    const bool right = data::contains_answer(answers[i].text, item.fact->answers);
    if (item.count == 0 && right) continue;
    item.answer = answers[i].text;
    item.kind = item.count == 0 ? ErrorKind::unknown : right ? ErrorKind::none : ErrorKind::known;
    result.push_back(std::move(item));
  }
  return result;
}

std::array<size_t, 3> count(const std::vector<Derailed>& cases) {
  std::array<size_t, 3> of{};
  for (const Derailed& item : cases) ++of[size_t(item.kind)];
  return of;
}

void check_kinds(const std::vector<Derailed>& cases, const std::string& where, size_t least) {
  const auto n = count(cases);
  if (*std::min_element(n.begin(), n.end()) < least)
    fail(where,
         "{} answers to known facts are right and {} wrong under the derailing prompt, and {} facts are unknown; {} of "
         "each are needed: give more facts, or another prompt (a passage works on models that follow no examples)",
         n[0], n[1], n[2], least);
}

}  // namespace ken::evidence
