// HalluRAG (Ridder and Schilling, arXiv 2412.17056): a small net on hidden states flags sentences of an answer that the
// passage does not ground. Features at each sentence's last token: contextual embeddings (CEV: block output) and
// intermediate activations (IAV: of the MLP, after the nonlinearity) at half and at full depth. Questions stand beside
// a passage that holds an answer or one that does not; one detector for either kind of prompt, and one for both. Labels
// follow by rule from what the passage and the facts say, where the paper asks a judge.
#include <algorithm>
#include <array>
#include <map>

#include "ken/base/error.h"
#include "ken/base/rng.h"
#include "ken/base/select.h"
#include "ken/evidence/grounding.h"
#include "ken/readout/judge.h"
#include "ken/readout/probe_kinds.h"

namespace ken::readout::hallurag_file {
namespace {

constexpr size_t least_of_class = 20;
Tensor features(const AnalysisInput& input, const std::vector<Item>& items, const std::string& wanted) {
  const int64_t layers = input.model.config.n_layers, half = (layers + 1) / 2 - 1, full = layers - 1;
  std::map<std::string, Tensor> found;
  for (const auto& [name, point] : {std::pair("CEV", "hook_resid_post"), std::pair("IAV", "mlp.hook_post")}) {
    if (wanted.find(name) == std::string::npos) continue;
    std::vector<std::string> points = {fmt::format("blocks.{}.{}", half, point)};
    if (full != half) points.push_back(fmt::format("blocks.{}.{}", full, point));
    const Tensor values = collect(input.model, items, points, input.compute, input.progress).values.select(2, 0);
    found[std::string(name) + "50"] = values.select(1, 0);
    found[std::string(name) + "100"] = values.select(1, -1);
  }
  std::vector<Tensor> parts;
  for (size_t begin = 0; begin <= wanted.size();) {
    const size_t end = std::min(wanted.find('+', begin), wanted.size());
    const auto part = found.find(wanted.substr(begin, end - begin));
    if (part == found.end())
      fail_usage("hallurag", "features '{}': '{}' is none of CEV50, CEV100, IAV50, IAV100; join them by +", wanted,
                 wanted.substr(begin, end - begin));
    parts.push_back(part->second);
    begin = end + 1;
  }
  return at::cat(parts, 1).unsqueeze(0);
}

// What the detectors learn from, with features x [1, n, d].
struct Sentences {
  std::vector<int> labels;
  std::vector<std::string> groups, kinds;
  std::vector<char> answerable;
  std::vector<double> surprise;
  Tensor x;
};

Sentences answered(const AnalysisInput& input, const Json& params) {
  auto all = evidence::grounding_set(input, params.at("max_items"), params.at("unanswerable") == "untrue");
  Tensor x = features(input, all.set.items, params.at("features"));
  return {all.set.labels, all.set.groups, all.kinds, all.answerable, all.set.baseline, std::move(x)};
}

// One kind of prompt (or both): the items that a detector is trained and judged on, and their balancing cells.
struct Split {
  std::vector<size_t> items;
  std::vector<std::string> cells;  // of these items
};

// A cell is a kind of passage with a class. Kinds with too few of a class are joined; those that stay short have
// nothing to tell apart and are left out.
Split split_of(const Sentences& all, const std::vector<char>& strata) {
  const auto key_of = [&](size_t i) { return std::string(all.answerable[i] ? "answerable " : "unanswerable "); };
  const auto counts = [&](const auto& name) {
    std::map<std::string, std::array<size_t, 2>> result;
    for (size_t i = 0; i < all.labels.size(); ++i)
      if (strata[size_t(all.answerable[i])]) ++result[name(i)][size_t(all.labels[i])];
    return result;
  };
  const auto enough = [](const std::array<size_t, 2>& n) { return std::min(n[0], n[1]) >= least_of_class; };
  const auto kind = [&](size_t i) { return key_of(i) + all.kinds[i]; };
  auto of_kind = counts(kind);
  const auto joined = [&](size_t i) { return enough(of_kind[kind(i)]) ? kind(i) : key_of(i) + "other"; };
  auto of_joined = counts(joined);
  Split split;
  for (size_t i = 0; i < all.labels.size(); ++i) {
    if (!strata[size_t(all.answerable[i])] || !enough(of_joined[joined(i)])) continue;
    split.items.push_back(i);
    split.cells.push_back(joined(i) + (all.labels[i] ? " 1" : " 0"));
  }
  return split;
}

// Held-out log-odds of the split's items by nets that were trained on these labels.
std::vector<double> detect(const Sentences& all, const Split& split, const Json& params, uint64_t seed,
                           const std::vector<int>& labels) {
  std::vector<int64_t> rows(split.items.begin(), split.items.end());
  const Tensor x = all.x.index_select(1, at::tensor(at::ArrayRef<int64_t>(rows), at::kLong));
  const auto groups = pick(all.groups, split.items);
  const Fit fit = fit_nets(x, {labels, groups, split.cells},
                           {.hidden = {256, 128, 64},
                            .dropout = params.at("dropout"),
                            .learning_rate = params.at("rate"),
                            .weight_decay = params.at("weight_decay"),
                            .batch = params.at("batch"),
                            .epochs = params.at("epochs"),
                            .patience = params.at("patience"),
                            .folds = params.at("folds"),
                            .seed = seed});
  return doubles(fit.scores[0]);
}

// Accuracy, F1, Matthews correlation, AUROC and AUPRC on the balanced split, of some of its items.
Json figures(const Sentences& all, const Split& split, const std::vector<double>& scores, bool answerable) {
  std::vector<size_t> of;
  for (size_t n = 0; n < split.items.size(); ++n)
    if (bool(all.answerable[split.items[n]]) == answerable) of.push_back(n);
  const auto some = pick(scores, of);
  const auto labels = pick(pick(all.labels, split.items), of);
  const auto cells = pick(split.cells, of);
  std::map<std::string, double> size, mass;
  for (const auto& cell : cells) size[cell] += 1;
  double of_label[2][2] = {};  // [label][flagged], each cell of mass 1
  for (size_t i = 0; i < some.size(); ++i) of_label[labels[i]][some[i] > 0] += 1 / size[cells[i]];
  const double tp = of_label[1][1], fn = of_label[1][0], fp = of_label[0][1], tn = of_label[0][0];
  const double spread = std::sqrt((tp + fp) * (tp + fn) * (tn + fp) * (tn + fn));  // 0: all get the same label
  return {{"n", of.size()},
          {"accuracy", balanced_accuracy(some, labels, cells)},
          {"f1", 2 * tp / std::max(2 * tp + fp + fn, 1e-12)},
          {"mcc", spread > 0 ? (tp * tn - fp * fn) / spread : 0.0},
          {"auroc", stats::auroc(some, labels)},
          {"auprc", auprc(some, labels)}};
}

Json mean_of(const std::vector<Json>& runs) {
  Json result = runs.front();
  for (auto& [name, value] : result.items()) {
    if (name == "n") continue;
    std::vector<double> values;
    for (const Json& run : runs) values.push_back(run.at(name).get<double>());
    value = {{"value", stats::mean_of(values)},
             {"sd", values.size() > 1 ? stats::sd_of(values) : 0.0},
             {"n", result.at("n")},
             {"metric", name}};
  }
  return result;
}

AnalysisResult run(const AnalysisInput& input, const Json& params) {
  const Sentences all = answered(input, params);
  const Split both = split_of(all, {1, 1});
  std::map<std::string, std::vector<Json>> runs;
  for (int r = 0; r < params.at("runs").get<int>(); ++r) {
    const uint64_t seed = input.seed + uint64_t(r);
    const auto joint = detect(all, both, params, seed, pick(all.labels, both.items));
    for (const bool answerable : {true, false}) {
      const Split own = split_of(all, {char(!answerable), char(answerable)});
      if (own.items.empty()) continue;
      const std::string name = answerable ? "answerable" : "unanswerable";
      auto labels = pick(all.labels, own.items);
      runs[name + " separate"].push_back(figures(all, own, detect(all, own, params, seed, labels), answerable));
      if (r == 0) {  // the control: labels dealt out at random
        Rng(seed).shuffle(labels);
        runs[name + " shuffled"].push_back(figures(all, own, detect(all, own, params, seed, labels), answerable));
      }
      runs[name + " joint"].push_back(figures(all, both, joint, answerable));
    }
  }
  if (runs.empty())
    fail("hallurag", "no kind of prompt has {} hallucinated and {} grounded sentences among {}; give more passages",
         least_of_class, least_of_class, all.labels.size());
  Json table{{"id", "hallurag"},
             {"features", params.at("features")},
             {"sentences", all.labels.size()},
             {"used", both.items.size()}};
  for (const auto& [name, of] : runs) table["detectors"][name] = mean_of(of);
  std::map<std::string, std::array<size_t, 2>> counts;
  for (size_t i = 0; i < all.labels.size(); ++i)
    ++counts[(all.answerable[i] ? "answerable " : "unanswerable ") + all.kinds[i]][size_t(all.labels[i])];
  for (const auto& [name, n] : counts) table["labels"][name] = {{"grounded", n[0]}, {"hallucinated", n[1]}};
  for (const bool answerable : {true, false}) {
    const Split own = split_of(all, {char(!answerable), char(answerable)});
    if (own.items.empty()) continue;
    table["surprise"][answerable ? "answerable" : "unanswerable"] = stats::to_json(
        auroc_of(pick(all.surprise, own.items), pick(all.labels, own.items), pick(all.groups, own.items), input.seed));
  }
  return {table, {{"labels", at::tensor(at::ArrayRef<int>(all.labels), at::kInt)}}};
}

const Register<AnalysisEntry> entry{
    {.card = {.id = "hallurag",
              .family = "inside",
              .title = "HalluRAG",
              .paper = "arXiv 2412.17056",
              .sentence = "Flags the sentences of an answer that its passage does not ground, by a small net on hidden "
                          "states.",
              .params = {{"features", "CEV50+CEV100+IAV50+IAV100",
                          "joined by +: block outputs (CEV) and MLP activations (IAV) at 50 and 100 % of the depth"},
                         {"unanswerable",
                          "untrue",
                          "what is hallucinated where the passage holds no answer: what is not true either, or all "
                          "that the passage does not say (the paper's rule, for facts newer than the model)",
                          -1e300,
                          1e300,
                          {"untrue", "ungrounded"}},
                         {"rate", 0.0003, "learning rate of Adam; the paper's 2.5e-6 takes hundreds of epochs", 1e-8,
                          1},
                         {"weight_decay", 1e-5, "L2 penalty in the gradient", 0, 10},
                         {"dropout", 0.15, "of the input", 0, 0.9},
                         {"batch", 32, "sentences of a step", 1, 100000},
                         {"epochs", 800, "at most", 1, 100000},
                         {"patience", 5, "epochs without a lower validation loss before training ends", 1, 1000},
                         {"folds", 5, "parts of the groups; each is judged by nets trained on the others", 3, 20},
                         {"runs", 10, "fits with other folds and starts", 1, 100},
                         {"max_items", 2400, "prompts at most, half of them answerable", 80, 100000}},
              .example = "ken inside hallurag runs=1",
              .cost = Cost::minutes},
     .run = run}};

}  // namespace
}  // namespace ken::readout::hallurag_file
