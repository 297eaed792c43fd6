// A saved probe gives the same scores while an answer is generated as it gave on collected states, and they tell right
// answers from wrong ones. The probe is chosen and fitted on some persons and judged on others.
#include <unistd.h>

#include "ken/evidence/asking.h"
#include "ken/readout/analysis.h"
#include "ken/readout/collect.h"
#include "ken/readout/judge.h"
#include "ken/tasks/claim.h"

namespace ken::tasks::probe_stream_claim_file {
namespace {

struct Halves {
  data::FactSet fitted, judged;
};

Halves halves(const ClaimInput& input) {
  Halves result;
  std::vector<std::string> groups;
  for (const auto& fact : input.facts.facts) groups.push_back(fact.group);
  const auto side = stats::grouped_folds(groups, 2, input.seed);
  for (size_t i = 0; i < side.size(); ++i)
    (side[i] ? result.fitted : result.judged).facts.push_back(input.facts.facts[i]);
  result.judged = data::draw_facts(std::move(result.judged), 500, input.seed);
  return result;
}

// The probe-map's probe before the answer at its best layer.
readout::Probe fitted_probe(const ClaimInput& input, const data::FactSet& facts) {
  const auto& map = Registry<readout::AnalysisEntry>::get().at("analysis", "probe-map");
  const auto result = map.run({input.model, facts, input.style, input.seed},
                              resolve_params(map.card, {{"target", "correct"}, {"max_items", 1000}}));
  const at::Tensor area = result.tensors.at("auroc");
  const int64_t places = area.size(1), best = area.select(1, places - 1).argmax().item<int64_t>();
  return result.probes[size_t(best * places + places - 1)];
}

std::vector<Figure> run(const ClaimInput& input) {
  const Halves parts = halves(input);
  readout::Probe probe = fitted_probe(input, parts.fitted);
  const fs::path file = fs::temp_directory_path() / fmt::format("ken-probe-stream-{}-{}", ::getpid(), input.seed);
  readout::save({probe}, file);
  std::vector<generate::Request> requests;
  std::vector<readout::Item> items;
  for (const auto& fact : parts.judged.facts) {
    requests.push_back(evidence::closed_book(fact, input.style));
    requests.back().controls.push_back(generate::control_from("probe-stream", {{"file", file.string()}}));
    items.push_back({requests.back().prompt.text, {{"answer"}}, input.style.tokens()});
  }
  const auto answers = evidence::greedy_answers(input.model, requests, nn::Compute::f32);
  fs::remove(file);
  const auto states = readout::collect(input.model, items, {probe.point}, nn::Compute::f32);
  const auto collected = readout::doubles(probe.score(states.values.select(1, 0).select(1, 0)));
  std::vector<double> streamed;
  std::vector<int> right;
  double difference = 0;
  for (size_t i = 0; i < answers.size(); ++i) {
    streamed.push_back(answers[i].notes.at("probe-stream").at(0));
    right.push_back(data::same_answer(answers[i].text, parts.judged.facts[i].answers));
    difference = std::max(difference, std::abs(streamed[i] - collected[i]));
  }
  for (auto& request : requests) request.controls.clear();
  const auto plain = evidence::greedy_answers(input.model, requests, nn::Compute::f32);
  double changed = 0;
  for (size_t i = 0; i < answers.size(); ++i) changed += answers[i].tokens != plain[i].tokens;
  return {{"right answers, streamed score at the first token", "AUROC", stats::auroc(streamed, right), ">=", 0.65,
           false, 0.5},
          {"largest difference from the score on collected states", "log-odds", difference, "<=", 1e-3},
          {"answers that change under the probe", "share", changed / double(answers.size()), "<=", 0, true}};
}

const Register<ClaimEntry> entry{
    {.card = {.id = "probe-stream",
              .family = "inside",
              .title = "Probe at decode time",
              .paper = "arXiv 2509.03531",
              .sentence = "A probe that is read while the answer is generated scores as it does afterwards, and tells "
                          "before the first token whether the answer will be right.",
              .example = "ken reproduce probe-stream",
              .cost = Cost::minutes},
     .run = run}};

}  // namespace
}  // namespace ken::tasks::probe_stream_claim_file
