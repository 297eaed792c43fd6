// Residual-stream conflict probes (Zhao et al., arXiv 2410.16090): at the last prompt position, before any answer token
// exists, (a) does the passage contradict memory, and (b) which source will the model follow? One linear probe for each
// layer and each of three activations: `hidden` (block output), `mlp` and `attn` (module outputs). (a) is trained on
// one pair of passages a fact and judged on every passage of facts of other groups; (b) is trained on conflicts alone
// and judged on relations that it never saw. Beside them the shape of the states that lead to either source.
#include <algorithm>
#include <array>
#include <map>
#include <set>

#include "ken/base/error.h"
#include "ken/base/rng.h"
#include "ken/evidence/labelled.h"
#include "ken/readout/judge.h"
#include "ken/readout/probe_kinds.h"
#include "ken/readout/shape.h"

namespace ken::readout::residual_conflict_file {
namespace {

constexpr int folds = 5;
constexpr int least_of_class = 5;  // of a held-out relation
const std::vector<std::string> kinds = {"hidden", "mlp", "attn"};

// x [problems, n, d]: problem = kind * layers + layer; then the embedding of the passage's value.
struct Problems {
  Tensor x;
  std::vector<int> labels;
  std::vector<std::string> groups;
  std::vector<int> fold;  // empty: drawn by group, anew for each repeat
  std::vector<std::string> facts;
};

// What one repeat gives: the scores of every probe, and the folds that held items out.
struct Repeat {
  std::vector<std::vector<double>> scores;
  std::vector<int> fold;
};

// One passage pair of each fact trains, drawn anew for each repeat; all are judged.
std::vector<char> one_pair_a_fact(const Problems& p, uint64_t seed) {
  std::vector<size_t> order;
  for (size_t i = 0; i < p.labels.size(); i += 2) order.push_back(i);
  Rng(seed).shuffle(order);
  std::vector<char> trains(p.labels.size(), 0);
  std::set<std::string> taken;
  for (const size_t i : order)
    if (taken.insert(p.facts[i]).second) trains[i] = trains[i + 1] = 1;
  return trains;
}

// p = sigmoid(w^T x + b) under mean BCE + l1 (|w|_1 + |b|), by Adam; or the kit's L2 logistic regression.
Repeat fit_once(const Problems& p, const Json& params, bool pairs, uint64_t seed) {
  const int parts = p.fold.empty() ? folds : 1 + *std::max_element(p.fold.begin(), p.fold.end());
  NetOptions options{.hidden = {},
                     .dropout = 0,
                     .learning_rate = params.at("rate"),
                     .decay = params.at("decay"),
                     .weight_decay = 0,
                     .l1 = params.at("l1"),
                     .batch = params.at("batch"),
                     .epochs = params.at("epochs"),
                     .patience = 0,
                     .standardise = params.at("standardise"),
                     .folds = parts,
                     .seed = seed};
  NetItems items{p.labels, p.groups, {}, {}, p.fold};
  if (pairs) items.trains = one_pair_a_fact(p, seed);
  const Fit fit = fit_nets(p.x, items, options);
  Repeat repeat{{}, p.fold.empty() ? stats::grouped_folds(p.groups, parts, seed) : p.fold};
  for (int64_t i = 0; i < p.x.size(0); ++i) repeat.scores.push_back(doubles(fit.scores[i]));
  return repeat;
}

Json spread_of(const std::vector<double>& values, const std::string& metric) {
  return {{"value", stats::mean_of(values)},
          {"sd", values.size() > 1 ? stats::sd_of(values) : 0.0},
          {"n", values.size()},
          {"metric", metric}};
}

double accuracy(const std::vector<double>& scores, const std::vector<int>& labels) {
  double right = 0;
  for (size_t i = 0; i < labels.size(); ++i) right += (scores[i] > 0) == (labels[i] == 1);
  return right / double(labels.size());
}

// The mean over held-out relations with enough items of both classes.
double auroc_by_fold(const std::vector<double>& scores, const std::vector<int>& labels, const std::vector<int>& fold) {
  std::map<int, std::pair<std::vector<double>, std::vector<int>>> parts;
  for (size_t i = 0; i < fold.size(); ++i)
    parts[fold[i]].first.push_back(scores[i]), parts[fold[i]].second.push_back(labels[i]);
  std::vector<double> areas;
  for (const auto& [f, part] : parts) {
    const auto ones = std::count(part.second.begin(), part.second.end(), 1);
    if (std::min<long>(ones, long(part.second.size()) - ones) >= least_of_class)
      areas.push_back(stats::auroc(part.first, part.second));
  }
  return stats::mean_of(areas);
}

// Curves over layers of accuracy, AUROC and AUPRC for each kind, mean and sd over repeats; the mid layers with each
// fold's layer chosen on the others; the embedding.
Json curves(const Problems& p, const Json& params, bool pairs, uint64_t seed, size_t layers, const Tensor& areas) {
  std::vector<Repeat> repeats;
  for (int r = 0; r < params.at("repeats").get<int>(); ++r)
    repeats.push_back(fit_once(p, params, pairs, seed + uint64_t(r)));
  const auto over = [&](const std::string& metric, const auto& value) {
    std::vector<double> values;
    for (const Repeat& repeat : repeats) values.push_back(value(repeat));
    return spread_of(values, metric);
  };
  const auto row = [&](size_t i) -> Json {
    const auto area = over("auroc", [&](const Repeat& r) { return stats::auroc(r.scores[i], p.labels); });
    areas[int64_t(i)] = area.at("value").get<double>();
    return {{"accuracy", over("accuracy", [&](const Repeat& r) { return accuracy(r.scores[i], p.labels); })},
            {"auroc", area},
            {"auprc", over("auprc", [&](const Repeat& r) { return auprc(r.scores[i], p.labels); })},
            {"auroc_by_fold",
             over("auroc_by_fold", [&](const Repeat& r) { return auroc_by_fold(r.scores[i], p.labels, r.fold); })}};
  };
  Json result{{"n", p.labels.size()}, {"positives", std::count(p.labels.begin(), p.labels.end(), 1)}};
  for (size_t k = 0; k < kinds.size(); ++k) {
    for (size_t l = 0; l < layers; ++l) result["layers"][kinds[k]].push_back(row(k * layers + l));
    const auto chosen = [&](const Repeat& r, size_t begin, size_t end) {
      const auto first = r.scores.begin() + long(k * layers);
      return chosen_on_other_folds({first + long(begin), first + long(end)}, p.labels, r.fold);
    };
    const auto mid = [&](const Repeat& r) { return chosen(r, layers / 3, (2 * layers + 2) / 3); };  // the middle third
    result["any"][kinds[k]] = over("auroc_chosen_on_other_folds",
                                   [&](const Repeat& r) { return stats::auroc(chosen(r, 0, layers), p.labels); });
    result["mid"][kinds[k]] = {
        {"auroc", over("auroc_chosen_on_other_folds", [&](const Repeat& r) { return stats::auroc(mid(r), p.labels); })},
        {"accuracy", over("accuracy", [&](const Repeat& r) { return accuracy(mid(r), p.labels); })},
        {"auroc_by_fold",
         over("auroc_by_fold", [&](const Repeat& r) { return auroc_by_fold(mid(r), p.labels, r.fold); })}};
  }
  result["embedding"] = row(kinds.size() * layers);
  return result;
}

// For each statistic and layer of the block output: its mean in D_C (answered from the passage) and in D_M.
Json statistics(const Problems& source, size_t layers, uint64_t seed) {
  Json result;
  for (size_t l = 0; l < layers; ++l) {
    for (const auto& [name, values] : row_shapes(source.x[int64_t(l)])) {
      std::array<std::vector<double>, 2> of_class;
      const auto all = doubles(values);
      for (size_t i = 0; i < all.size(); ++i) of_class[size_t(source.labels[i])].push_back(all[i]);
      result[name].push_back({{"context", stats::to_json(stats::mean(of_class[1], seed, name))},
                              {"memory", stats::to_json(stats::mean(of_class[0], seed, name))}});
    }
  }
  return result;
}

Problems rows_of(const Problems& all, const std::vector<int64_t>& rows) {
  Problems some{all.x.index_select(1, at::tensor(at::ArrayRef<int64_t>(rows), at::kLong)), {}, {}, {}, {}};
  for (const int64_t i : rows) {
    some.labels.push_back(all.labels[size_t(i)]);
    some.groups.push_back(all.groups[size_t(i)]);
    some.facts.push_back(all.facts[size_t(i)]);
  }
  return some;
}

Problems collected(const AnalysisInput& input, const evidence::PassagePairs& pairs) {
  const States states =
      collect(input.model, pairs.set.items,
              {"blocks.*.hook_resid_post", "blocks.*.mlp.hook_out", "blocks.*.attn.hook_out", "hook_embed"},
              input.compute, input.progress);
  const int64_t points = int64_t(states.points.size()) - 1;
  const Tensor answer = states.values.select(2, 0), value = states.values.select(2, 1);
  return {at::cat({answer.narrow(1, 0, points), value.narrow(1, points, 1)}, 1).transpose(0, 1).contiguous(),
          pairs.set.labels,
          pairs.set.groups,
          {},
          pairs.facts};
}

// Conflicts that are answered from either source; a relation is a fold.
Problems source_problems(const Problems& all, const evidence::PassagePairs& pairs) {
  std::vector<int64_t> rows;
  std::map<std::string, int> relations;
  for (size_t i = 0; i < all.labels.size(); ++i)
    if (all.labels[i] == 1 && pairs.followed[i] != "neither") rows.push_back(int64_t(i));
  Problems source = rows_of(all, rows);
  for (size_t n = 0; n < rows.size(); ++n) {
    const size_t i = size_t(rows[n]);
    source.labels[n] = int(pairs.followed[i] == "context");
    source.fold.push_back(relations.emplace(pairs.relations[i], int(relations.size())).first->second);
  }
  if (relations.size() < 2) source.fold.clear();  // one relation, or none is named: folds by group
  return source;
}

AnalysisResult run(const AnalysisInput& input, const Json& params) {
  const bool known = params.at("facts") == "known";
  const auto pairs = evidence::conflict_pairs(input, params.at("max_items"), known);
  evidence::check_classes(pairs.set, "residual-conflict", "conflict");
  const Problems all = collected(input, pairs);
  const size_t layers = size_t(input.model.config.n_layers);
  const Tensor areas = at::zeros({all.x.size(0)}), source_areas = at::full_like(areas, NAN);
  Json table{{"id", "residual-conflict"},
             {"facts", params.at("facts")},
             {"conflict", curves(all, params, true, input.seed, layers, areas)},
             {"entropy", stats::to_json(auroc_of(pairs.set.baseline, pairs.set.labels, pairs.set.groups, input.seed))}};
  const Problems source = source_problems(all, pairs);
  const auto from_passage = std::count(source.labels.begin(), source.labels.end(), 1);
  if (std::min<long>(from_passage, long(source.labels.size()) - from_passage) >= 20) {
    table["source"] = curves(source, params, false, input.seed, layers, source_areas);
    table["source"]["folds"] = source.fold.empty() ? "groups" : "relations";
    table["shape"] = statistics(source, layers, input.seed);
  } else {
    table["source"] = nullptr;  // too few answers from one of the sources
  }
  return {table, {{"auroc", areas}, {"source_auroc", source_areas}}};
}

const Register<AnalysisEntry> entry{
    {.card = {.id = "residual-conflict",
              .family = "inside",
              .title = "Residual-stream conflict probes",
              .paper = "arXiv 2410.16090",
              .sentence = "Reads at the last prompt token of every layer whether the passage contradicts memory and "
                          "which of the two the answer will follow.",
              .params = {{"facts",
                          "known",
                          "facts that the model answers rightly, or as a control those it does not",
                          -1e300,
                          1e300,
                          {"known", "unknown"}},
                         {"rate", 0.002, "learning rate of Adam", 1e-7, 1},
                         {"decay", 0.95, "factor of the rate after each epoch", 0.1, 1},
                         {"l1", 0.0006, "penalty on |w| and |b|", 0, 10},
                         {"epochs", 20, "passes over the training pairs", 1, 10000},
                         {"batch", 64, "items of a step", 1, 100000},
                         {"standardise", false, "bring features to mean 0 and deviation 1 first"},
                         {"repeats", 20, "fits with other folds, pairs and starts", 1, 1000},
                         {"max_items", 2000, "passages at most, drawn by the seed", 80, 100000}},
              .example = "ken inside residual-conflict repeats=3",
              .cost = Cost::seconds},
     .run = run}};

}  // namespace
}  // namespace ken::readout::residual_conflict_file
