// sAwMIL, sparse aware multiple-instance learning (Savcisens and Eliassi-Rad, arXiv 2506.23921): does a model take a
// statement for true, for false, or for neither, since it cannot know? A statement is a bag of the states h_t of its
// last tokens; readout/bags.h fits one machine for each kind against the others, f(bag) = max_t w.h_t + b, and
// p = softmax(A (f_true, f_false, f_neither) + c). Conformal sets of p-values above alpha answer with one label or
// abstain. Groups are split into training (half), calibration (a quarter) and test; layer and C are chosen inside the
// training part. Baselines: a machine, and the difference of means, on the last token.
// Labels: what the fact set says; with labels=known only statements of facts that the model answers rightly, so that
// what is true and what the model takes for true are the same.
#include <algorithm>
#include <set>

#include "ken/base/error.h"
#include "ken/base/rng.h"
#include "ken/evidence/addition.h"
#include "ken/evidence/statements.h"
#include "ken/readout/bags.h"
#include "ken/readout/shift.h"
#include "ken/stats/classes.h"
#include "ken/stats/conformal.h"

namespace ken::readout::sawmil_file {
namespace {

using evidence::Kind;
using evidence::Statement;
using Rows = std::vector<int64_t>;

struct Data {
  const AnalysisInput& input;
  const Json& params;
  std::vector<Statement> items;
  std::vector<std::string> points;  // residual streams
  std::vector<double> depth;        // share of all layers
  std::vector<Bags> layers;         // all items after each of them; place 0 is the last token
  Rows train, calibration, test;

  Bags bags(size_t layer, const Rows& rows) const { return layers[layer].select(rows); }
  BagReader fit(BagMethod method, const Bags& bags) const {
    return fit_bags(bags, {.method = method,
                           .signal = params.at("signal").get<int64_t>(),
                           .folds = params.at("folds").get<int>(),
                           .seed = input.seed});
  }
};

Json share(std::span<const int> predicted, std::span<const int> actual, const std::string& metric) {
  return stats::to_json(stats::right_share(predicted, actual, "accuracy of three kinds" + metric));
}

Json plain(double value, size_t n, const std::string& metric) {
  return stats::to_json({value, int64_t(n), NAN, NAN, metric});
}

// Residual streams after each tenth of the depth; a model of fewer layers gives all of them.
Data read(const AnalysisInput& input, const Json& params) {
  Data data{input, params, {}, {}, {}, {}, {}, {}, {}};
  data.items = evidence::statements(input, params.at("max_statements").get<size_t>(), params.at("labels") == "known");
  const double count = double(input.model.config.n_layers);
  for (const int64_t layer : tenths_of_depth(input.model.config.n_layers)) {
    data.points.push_back(model::point_name(model::Point::resid_post, layer));
    data.depth.push_back(double(layer + 1) / count);
  }
  const bool judged = params.at("form") == "judged";
  std::vector<Item> prompts;
  for (const Statement& item : data.items)
    prompts.push_back(judged ? bag_item(data::judge(input.style, item.text), params.at("bag"), input.style.tokens())
                             : bag_item(item.text, params.at("bag")));
  const States states = collect(input.model, prompts, data.points, input.compute, input.progress);
  std::vector<std::string> groups;
  std::vector<int> kinds;
  for (const Statement& item : data.items) groups.push_back(item.group), kinds.push_back(int(item.kind));
  for (int64_t layer = 0; layer < int64_t(data.points.size()); ++layer)
    data.layers.push_back({states.values.select(1, layer), states.found, kinds, groups});
  const auto part = stats::grouped_folds(groups, 4, input.seed ^ 0x5a17);  // apart from the folds of the fits
  for (size_t i = 0; i < part.size(); ++i)
    (part[i] < 2 ? data.train : part[i] == 2 ? data.calibration : data.test).push_back(int64_t(i));
  return data;
}

struct Chosen {
  std::vector<BagReader> readers;  // one a layer
  size_t layer = 0;                // the best inside the training part
  const BagReader& best() const { return readers[layer]; }
};

Chosen fit_layers(const Data& data, BagMethod method) {
  Chosen chosen;
  for (size_t layer = 0; layer < data.depth.size(); ++layer) {
    chosen.readers.push_back(data.fit(method, data.bags(layer, data.train)));
    if (chosen.readers.back().held_out > chosen.best().held_out) chosen.layer = layer;
    if (data.input.progress) data.input.progress("fit", layer + 1, data.depth.size(), "");
  }
  return chosen;
}

// Accuracy, Matthews correlation and conformal sets on the test part.
Json judge(const Data& data, const Chosen& chosen) {
  const Bags calibration = data.bags(chosen.layer, data.calibration), test = data.bags(chosen.layer, data.test);
  const Tensor p = chosen.best().probabilities(test), q = chosen.best().probabilities(calibration);
  const auto span = [](const Tensor& of) { return std::span<const double>(of.data_ptr<double>(), size_t(of.numel())); };
  const auto report =
      stats::report(stats::conformal_sets(span(q), calibration.kind, span(p), data.params.at("alpha")), test.kind);
  const std::vector<int> decided = most_likely(p);
  const size_t n = test.kind.size(), answered = report.answers.size();
  return {{"layer", data.points[chosen.layer]},
          {"depth", data.depth[chosen.layer]},
          {"accuracy", share(decided, test.kind, "")},
          {"matthews", plain(stats::matthews(decided, test.kind), n, "Matthews correlation")},
          {"coverage", stats::to_json(stats::proportion(std::lround(report.coverage * double(n)), int64_t(n),
                                                        "share of sets that hold the label"))},
          {"nominal", 1 - data.params.at("alpha").get<double>()},
          {"answered", plain(report.answered, n, "share of sets of one label")},
          {"answered_matthews",
           plain(stats::matthews(report.answers, report.actual), answered, "Matthews correlation of answered items")}};
}

// Trained on some relations, judged on the others, both ways; without four relations there is nothing to judge.
Json across_relations(const Data& data, size_t layer) {
  std::set<std::string> names;
  for (const Statement& item : data.items) names.insert(item.relation);
  names.erase("");
  std::map<std::string, int> half;
  for (const auto& name : names) half.emplace(name, int(half.size()) % 2);
  if (half.size() < 4) return nullptr;
  std::vector<int> decided, actual;
  for (const int side : {0, 1}) {
    const auto on = [&](const Rows& rows, int wanted) {
      Rows result;
      for (const int64_t i : rows)
        if (const auto found = half.find(data.items[size_t(i)].relation);
            found != half.end() && found->second == wanted)
          result.push_back(i);
      return data.bags(layer, result);
    };
    const Bags other = on(data.test, 1 - side);
    for (const int k : most_likely(data.fit(BagMethod::sawmil, on(data.train, side)).probabilities(other)))
      decided.push_back(k);
    actual.insert(actual.end(), other.kind.begin(), other.kind.end());
  }
  return share(decided, actual, ", other relations");
}

// The same fit on labels drawn at random, judged by such labels.
Json random_labels(const Data& data, size_t layer) {
  Bags train = data.bags(layer, data.train), test = data.bags(layer, data.test);
  Rng rng(data.input.seed, 3);
  rng.shuffle(train.kind), rng.shuffle(test.kind);
  return share(most_likely(data.fit(BagMethod::sawmil, train).probabilities(test)), test.kind, ", labels at random");
}

// log p of what goes on with +lambda minus with -lambda, where lambda standard deviations of the states along w are
// added to the last token: before the value of a statement of the test part, or, where statements are judged, before
// the verdict that a true one gets.
Json move(const Data& data, const Chosen& chosen, const Tensor& direction, Kind kind) {
  const bool judged = data.params.at("form") == "judged";
  std::vector<evidence::OptionItem> items;
  for (const int64_t i : data.test) {
    const Statement& item = data.items[size_t(i)];
    if (item.kind == kind && judged)
      items.push_back({data::judge(data.input.style, item.text), {data.input.style.yes}, data.input.style.tokens()});
    if (item.kind != kind || judged || item.value.empty()) continue;
    const size_t blank = item.beginning.find_last_not_of(' ') + 1;
    items.push_back({item.beginning.substr(0, blank), {item.beginning.substr(blank) + item.value}});
  }
  if (items.empty()) return nullptr;
  const Tensor w = (direction / direction.norm()).to(at::kFloat);
  const Tensor along = at::matmul(data.bags(chosen.layer, data.train).values.select(1, 0), w);
  const Tensor offset = w * along.std().item<double>() * data.params.at("lambda").get<double>();
  const std::string& point = data.points[chosen.layer];
  const auto up = evidence::continuation_logprobs(data.input.model, items, {point, offset}, data.input.compute),
             down = evidence::continuation_logprobs(data.input.model, items, {point, -offset}, data.input.compute);
  std::vector<double> change;
  for (size_t i = 0; i < up.size(); ++i) change.push_back(up[i] - down[i]);
  return stats::to_json(stats::mean(change, data.input.seed, "log p, + minus -, nats"));
}

Json validity(const Data& data, const Chosen& chosen) {
  const Tensor random = random_direction(data.input.model.config.d_model, data.input.seed);
  const auto& machines = chosen.best().machines;
  const auto cosine = [&](int a, int b) {
    const Tensor &u = machines[size_t(a)].weight, &v = machines[size_t(b)].weight;
    return (u.dot(v) / (u.norm() * v.norm())).item<double>();
  };
  return {{"generalisation", across_relations(data, chosen.layer)},
          {"random_labels", random_labels(data, chosen.layer)},
          {"manipulation", move(data, chosen, machines[0].weight, Kind::yes)},
          {"manipulation_random_direction", move(data, chosen, random, Kind::yes)},
          {"locality", move(data, chosen, machines[0].weight, Kind::neither)},
          {"cosine_true_false", cosine(0, 1)}};
}

AnalysisResult run(const AnalysisInput& input, const Json& params) {
  if (params.at("signal").get<int>() > params.at("bag").get<int>())
    fail_usage("sawmil", "signal = {} is more than bag = {} tokens; give fewer", params.at("signal").get<int>(),
               params.at("bag").get<int>());
  const Data data = read(input, params);
  const Chosen chosen = fit_layers(data, BagMethod::sawmil);
  Json layers = Json::array();
  std::vector<Tensor> weights;
  for (size_t layer = 0; layer < data.depth.size(); ++layer) {
    const Bags test = data.bags(layer, data.test);
    layers.push_back({{"layer", data.points[layer]},
                      {"depth", data.depth[layer]},
                      {"held_out", chosen.readers[layer].held_out},
                      {"test", share(most_likely(chosen.readers[layer].probabilities(test)), test.kind, "")}});
    for (const Svm& machine : chosen.readers[layer].machines) weights.push_back(machine.weight);
  }
  Json table = judge(data, chosen);
  table["statements"] = data.items.size();
  table["layers"] = std::move(layers);
  table["baselines"] = {{"last_token_svm", judge(data, fit_layers(data, BagMethod::single))},
                        {"mean_difference", judge(data, fit_layers(data, BagMethod::mean_difference))}};
  table["validity"] = validity(data, chosen);
  return {table,
          {{"weight", at::stack(weights).view({int64_t(data.depth.size()), 3, -1})},
           {"best", at::scalar_tensor(int64_t(chosen.layer), at::kLong)}}};
}

const Register<AnalysisEntry> entry{
    {.card = {.id = "sawmil",
              .family = "inside",
              .title = "True, false or neither (sAwMIL)",
              .paper = "arXiv 2506.23921",
              .sentence = "Reads from the states of a statement's last tokens whether the model takes it for true, for "
                          "false or for neither, with conformal sets that abstain.",
              .params = {{"labels",
                          "known",
                          "known: statements of facts that the model answers rightly, with those that are neither; "
                          "given: all claims as labelled",
                          -1e300,
                          1e300,
                          {"known", "given"}},
                         {"form",
                          "statement",
                          "what is read: the bare statement, or the question whether it is true",
                          -1e300,
                          1e300,
                          {"statement", "judged"}},
                         {"bag", 10, "tokens of a bag at most, the last ones", 1, 100},
                         {"signal", 2, "last tokens that are expected to carry the signal", 1, 100},
                         {"alpha", 0.1, "share of sets that may miss the label", 0.001, 0.9},
                         {"lambda", 5.0, "standard deviations that the check of manipulation adds", 0, 1000},
                         {"folds", 3, "inside the training part, for C and the layer", 2, 20},
                         {"max_statements", 1800, "statements at most, as many of each kind", 90, 100000}},
              .example = "ken inside sawmil labels=given",
              .cost = Cost::minutes},
     .run = run}};

}  // namespace
}  // namespace ken::readout::sawmil_file
