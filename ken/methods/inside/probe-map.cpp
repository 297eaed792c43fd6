// Linear probes on every layer of the residual stream (Alain and Bengio, arXiv 1610.01644): where can it be read that
// the model's answer will be right, or that a passage contradicts what the model remembers? Each probe is judged on
// groups of facts that it never saw. "conflict" follows Zhao et al., arXiv 2410.16090, who read the last token; with
// their control: on facts that the model does not know, a probe can only read the passage itself.
#include <algorithm>
#include <numeric>
#include <set>

#include "ken/base/error.h"
#include "ken/base/select.h"
#include "ken/evidence/labelled.h"
#include "ken/readout/analysis.h"
#include "ken/readout/collect.h"
#include "ken/readout/judge.h"

namespace ken::readout::probe_map_file {
namespace {

using evidence::LabelledSet;

// The probes of a set: problem = layer * places + place.
struct Map {
  const AnalysisInput& input;
  const LabelledSet& set;
  std::vector<std::string> layers, places, points;
  std::vector<int> fold;
  Fit fit;

  std::vector<size_t> judged;  // the items that count in the figures

  stats::Number auroc(const std::vector<double>& scores) const {
    return stats::bootstrap(pick(scores, judged), pick(set.labels, judged), stats::auroc, input.seed, "auroc");
  }
  std::vector<double> scores(size_t problem) const { return doubles(fit.scores[int64_t(problem)]); }

  // The AUROC of choosing the best of some probes, where each fold's choice is made on the other folds.
  stats::Number chosen_on_other_folds(const std::vector<size_t>& problems) const {
    std::vector<std::vector<double>> all;
    for (const size_t problem : problems) all.push_back(scores(problem));
    stats::Number number = auroc(readout::chosen_on_other_folds(all, set.labels, fold));
    number.metric = "auroc_chosen_on_other_folds";
    return number;
  }
};

Map make_map(const AnalysisInput& input, const LabelledSet& set, const Json& params) {
  FitOptions options;
  options.strengths = {0.001, 0.01, 0.1, 1, 10};  // a few hundred items need a stronger penalty than the default
  options.folds = params.at("folds").get<int>();
  options.seed = input.seed;
  Map map{input, set, {"embedding"}, {}, {}, stats::grouped_folds(set.groups, options.folds, options.seed), {}, {}};
  const std::string judge = params.at("judge");
  for (size_t i = 0; i < set.labels.size(); ++i)
    if (judge.empty() || set.extra[i].value(judge, false)) map.judged.push_back(i);
  const std::vector<int> labels = pick(set.labels, map.judged);
  if (std::set<int>(labels.begin(), labels.end()).size() < 2)
    fail("probe-map", "no two classes among the {} items whose record says '{}': give more, or judge all",
         labels.size(), judge);
  const States states =
      collect(input.model, set.items, {"hook_embed", "blocks.*.hook_resid_post"}, input.compute, input.progress);
  for (int64_t layer = 1; layer <= input.model.config.n_layers; ++layer) map.layers.push_back(std::to_string(layer));
  map.places = states.places;
  map.points = states.points;
  const Tensor x = states.values.permute({1, 2, 0, 3}).flatten(0, 1);  // [layers * places, items, d_model]
  map.fit = fit_logistic(x, set.labels, set.groups, options);
  return map;
}

Json describe(const Map& map, const std::string& target) {
  const bool correct = target == "correct";
  Json rows = Json::array();
  std::vector<size_t> all(map.fit.probes.size());
  std::iota(all.begin(), all.end(), size_t{0});
  std::vector<double> areas;
  for (size_t layer = 0; layer < map.layers.size(); ++layer) {
    Json row = Json::array();
    for (size_t place = 0; place < map.places.size(); ++place) {
      const stats::Number number = map.auroc(map.scores(layer * map.places.size() + place));
      areas.push_back(number.value);
      row.push_back(stats::to_json(number));
    }
    rows.push_back(std::move(row));
  }
  const size_t best = size_t(std::max_element(areas.begin(), areas.end()) - areas.begin());
  return {{"id", correct ? "correctness" : "conflict"},
          {"title", correct ? "Whether the answer will be right" : "Whether the passage contradicts memory"},
          {"reads", correct ? "A probe reads the residual stream before the model answers; the baseline is the "
                              "probability of the answer."
                            : "A probe reads the residual stream while the model reads the passage and the question; "
                              "the baseline is the entropy of the first answer token."},
          {"positions", map.places},
          {"layers", map.layers},
          {"auroc", rows},
          {"best",
           {{"layer", map.layers[best / map.places.size()]},
            {"position", map.places[best % map.places.size()]},
            {"auroc", stats::to_json(map.chosen_on_other_folds(all))}}},
          {"baseline", stats::to_json(map.auroc(map.set.baseline))}};
}

// auroc [layers + 1, places]; best_of_place [places]: over the layers, each fold's layer chosen on the others; scores
// [layers + 1, places, items], held out; weight [layers + 1, places, d_model] and bias, fitted on all items; labels.
std::map<std::string, at::Tensor> tensors_of(const Map& map) {
  const int64_t layers = int64_t(map.layers.size()), places = int64_t(map.places.size());
  std::vector<double> areas, best, biases;
  std::vector<Tensor> weights;
  for (size_t problem = 0; problem < map.fit.probes.size(); ++problem) {
    areas.push_back(stats::auroc(pick(map.scores(problem), map.judged), pick(map.set.labels, map.judged)));
    weights.push_back(map.fit.probes[problem].weight);
    biases.push_back(map.fit.probes[problem].bias);
  }
  for (size_t place = 0; place < map.places.size(); ++place) {
    std::vector<size_t> column;
    for (size_t layer = 0; layer < map.layers.size(); ++layer) column.push_back(layer * map.places.size() + place);
    best.push_back(map.chosen_on_other_folds(column).value);
  }
  const auto floats = [](const std::vector<double>& v) { return at::tensor(at::ArrayRef<double>(v)).to(at::kFloat); };
  return {{"auroc", floats(areas).view({layers, places})},
          {"best_of_place", floats(best)},
          {"scores", map.fit.scores.view({layers, places, -1})},
          {"labels", at::tensor(at::ArrayRef<int>(map.set.labels), at::kInt)},
          {"weight", at::stack(weights).view({layers, places, -1})},
          {"bias", floats(biases).view({layers, places})}};
}

// The probes with what each reads.
std::vector<Probe> named_probes(const Map& map, const std::string& target) {
  std::vector<Probe> probes = map.fit.probes;
  for (size_t i = 0; i < probes.size(); ++i) {
    Probe& probe = probes[i];
    probe.point = map.points[i / map.places.size()];
    probe.place = map.places[i % map.places.size()];
    probe.target = target;
    probe.name = fmt::format("{} at {} of {}", target, probe.place, probe.point);
    probe.model_sha256 = map.input.model.sha256();
  }
  return probes;
}

AnalysisResult run(const AnalysisInput& input, const Json& params) {
  const std::string target = params.at("target");
  const size_t max_items = params.at("max_items").get<size_t>();
  const LabelledSet set = target == "correct" ? evidence::correctness_set(input, max_items)
                                              : evidence::conflict_set(input, max_items, params.at("facts") == "known");
  evidence::check_classes(set, "probe-map", target);
  const Map map = make_map(input, set, params);
  return {describe(map, target), tensors_of(map), named_probes(map, target)};
}

const Register<AnalysisEntry> entry{
    {.card = {.id = "probe-map",
              .family = "inside",
              .title = "Probe map",
              .paper = "arXiv 1610.01644",
              .sentence = "Fits a linear probe at every layer and position and shows where correctness or a knowledge "
                          "conflict can be read.",
              .params = {{"target", "correct", "what is read", -1e300, 1e300, {"correct", "conflict"}},
                         {"facts",
                          "known",
                          "conflict: facts that the model answers rightly, or as a control those it does not",
                          -1e300,
                          1e300,
                          {"known", "unknown"}},
                         {"judge", "",
                          "count only items whose record holds this name as true; probes are fitted on all"},
                         {"folds", 5, "parts of the groups; each is judged by probes fitted on the others", 3, 20},
                         {"max_items", 2000, "items at most, drawn by the seed", 40, 100000}},
              .example = "ken inside probe-map target=conflict",
              .cost = Cost::seconds},
     .run = run}};

}  // namespace
}  // namespace ken::readout::probe_map_file
