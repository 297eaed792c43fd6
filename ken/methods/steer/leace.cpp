// LEACE (Belrose et al., arXiv 2306.03819): the smallest affine change of states after which no linear probe tells a
// concept's classes apart better than a constant. With states x [d], one-hot classes z, W = Sigma_xx^(-1/2) and P the
// orthogonal projector onto the columns of W Sigma_xz:   r(x) = x - W^+ P W (x - E x).
// Applied while the model answers; at several points, each is fitted on states that those before it have erased. Labels
// belong to last rows of prompts, and Sigma_xz is taken over these alone. E x and Sigma_xx are those of all rows that
// are erased, answers, other questions and texts too, so that these change little. As in the authors' code, Sigma_xx is
// shrunk (arXiv 1308.2608) and singular values of W Sigma_xz below 0.01 stay; their bound on the covariance's trace is
// left out, since one erasure never raises it. kind=orthogonal: the plain projection off the columns of Sigma_xz.
// strength s: x - s (x - r(x)).
#include <algorithm>
#include <set>

#include "ken/base/error.h"
#include "ken/base/select.h"
#include "ken/evidence/concept_prompts.h"
#include "ken/evidence/text_loss.h"
#include "ken/readout/erasure.h"
#include "ken/readout/point_list.h"
#include "ken/readout/probe.h"

namespace ken::generate::leace_file {
namespace {

using readout::Erasure;
using readout::Lever;

constexpr const char* id = "leace";

struct Erasures {
  std::vector<Erasure> layers;
  bool last = false;
};

class Leace final : public Control {
 public:
  Leace(std::shared_ptr<const Erasures> erasures, const Json& p)
      : erasures_(std::move(erasures)), strength_(p["strength"]), where_(p["where"]), seed_(p["seed"]) {}

  void begin(const Setting& setting) override {
    const auto& config = setting.model.config;
    if (!erasures_) {  // one direction of the middle of the model
      const Tensor any = at::zeros({config.d_model, 1});
      const Erasure like{model::point_name(model::Point::resid_post, config.n_layers / 2), any.select(1, 0), any, {}};
      erasures_ = std::make_shared<const Erasures>(Erasures{{like}});
      seed_ = std::max<int64_t>(0, seed_);
    }
    if (seed_ < 0) return;
    Erasures random{{}, erasures_->last};
    for (const Erasure& e : erasures_->layers)
      random.layers.push_back(readout::random_erasure(e, uint64_t(seed_) * 1024 + random.layers.size()));
    erasures_ = std::make_shared<const Erasures>(random);
  }

  std::vector<model::Tap> taps() override {
    const bool last = where_ == "last" || (where_ == "fitted" && erasures_->last);
    std::vector<model::Tap> taps;
    for (const Erasure& e : erasures_->layers) taps.push_back(e.tap(strength_, last));
    return taps;
  }

 private:
  std::shared_ptr<const Erasures> erasures_;
  double strength_;
  std::string where_;
  int64_t seed_;
};

MakeControl open(const Json& p) {
  std::shared_ptr<const Erasures> erasures;
  if (const std::string file = p["file"]; !file.empty()) {
    const Lever lever = readout::load_lever(file, id);
    erasures = std::make_shared<const Erasures>(Erasures{readout::erasures(lever), lever.about.at("last").get<bool>()});
  }
  return [erasures, p] { return std::make_unique<Leace>(erasures, p); };
}

ControlSpec erasing(const std::shared_ptr<const Erasures>& erasures, int64_t seed = -1) {
  const Json p{{"strength", 1.0}, {"where", "fitted"}, {"seed", seed}};
  return {.own = [erasures, p] { return std::make_unique<Leace>(erasures, p); }};
}

// The fit.

using evidence::ConceptPrompts;
using evidence::Questions;
using readout::AnalysisInput;
using readout::AnalysisResult;

constexpr int probe_folds = 5;

// Whether probes may leave any two folds out and still see the class: its groups stand in three of them.
bool spread(const std::vector<int>& labels, const std::vector<int>& folds) {
  std::set<int> found;
  for (size_t i = 0; i < labels.size(); ++i)
    if (labels[i]) found.insert(folds[i]);
  return found.size() >= 3;
}

// How well linear probes tell the classes apart, one against the rest, held out among the judged groups: mean over the
// classes (of those whose groups are enough) of the AUROC, for each of several readings [P, n, d] of the judged
// prompts.
std::vector<double> probed(const ConceptPrompts& items, const Tensor& states, uint64_t seed) {
  const auto classes = pick(items.classes, items.judged);
  const auto groups = pick(items.groups, items.judged);
  const auto folds = stats::grouped_folds(groups, probe_folds, seed + 1);  // other folds than the judged part's
  std::vector<double> sum(size_t(states.size(0)), 0);
  double n = 0;
  const size_t questions = items.names.size() == 2 ? 1 : items.names.size();  // two classes are one question
  for (size_t c = 0; c < questions; ++c) {
    std::vector<int> labels;
    for (const int of : classes) labels.push_back(of == int(c));
    if (!spread(labels, folds)) continue;
    const auto fit =
        readout::fit_logistic(states, labels, groups, {.strengths = {0.01, 1}, .folds = probe_folds, .seed = seed + 1});
    for (size_t p = 0; p < sum.size(); ++p) {
      const Tensor scores = fit.scores[int64_t(p)].to(at::kDouble).contiguous();
      sum[p] += stats::auroc({scores.data_ptr<double>(), labels.size()}, labels);
    }
    n += 1;
  }
  for (double& each : sum) each = n > 0 ? each / n : NAN;
  return sum;
}

// Right answers under the Controls.
Json recall(const AnalysisInput& input, const Questions& questions, const std::vector<ControlSpec>& controls) {
  const auto right = evidence::right_answers(input, questions, controls);
  return stats::to_json(stats::proportion(std::count(right.begin(), right.end(), 1), int64_t(right.size()), "right"));
}

std::vector<std::string> points_of(const model::Model& model, const std::string& list) {
  if (list.empty()) return {model::point_name(model::Point::resid_post, model.config.n_layers - 1)};
  return readout::points_in_order(list, model);
}

AnalysisResult run(const AnalysisInput& input, const Json& params) {
  const ConceptPrompts items = evidence::concept_prompts(input, params.at("prompts"), params.at("relation"),
                                                         params.at("max_items"), params.at("least"));
  const bool last = params.at("where") == "last";
  const auto others = evidence::other_questions(input, params.at("relation"), last);
  auto rows = items.rows(last);
  rows.insert(rows.end(), others.rows.begin(), others.rows.end());
  const auto points = points_of(input.model, params.at("points"));
  const auto kind = params.at("kind") == "leace" ? readout::ErasureKind::leace : readout::ErasureKind::orthogonal;
  const auto fit_prompts = pick(items.prompts, items.fit), judged_prompts = pick(items.prompts, items.judged);
  auto erasures = std::make_shared<Erasures>(Erasures{{}, last});
  std::vector<model::Tap> taps;
  std::vector<Tensor> readings;  // of each layer, plain and erased
  Json layers = Json::array();
  for (const auto& point : points) {
    const auto states = [&](const auto& prompts, const auto& with) {
      return readout::last_states(input.model, prompts, point, with, input.compute);
    };
    readout::Moments moments;
    readout::read_rows(input.model, rows, point, taps, input.compute,
                       [&](size_t, const Tensor& found) { moments.add(found); });
    Erasure erasure = readout::fit_erasure(states(fit_prompts, taps), pick(items.classes, items.fit),
                                           {kind, params.at("tolerance")}, moments);
    erasure.point = point;
    const Tensor before = states(judged_prompts, taps), after = erasure.erased(before);
    readings.push_back(taps.empty() ? before : states(judged_prompts, std::vector<model::Tap>{}));
    readings.push_back(after);
    layers.push_back({{"point", point},
                      {"rank", erasure.left.size(1)},
                      {"moved", ((before - after).norm(2, 1) / before.norm(2, 1)).mean().item<double>()}});
    taps.push_back(erasure.tap(1, last));
    erasures->layers.push_back(std::move(erasure));
  }
  const auto areas = probed(items, at::stack(readings), input.seed);
  for (size_t l = 0; l < layers.size(); ++l)
    layers[l]["auroc_plain"] = areas[2 * l], layers[l]["auroc_erased"] = areas[2 * l + 1];
  std::vector<int64_t> counts(items.names.size(), 0);
  for (const size_t i : items.judged) ++counts[size_t(items.classes[i])];
  std::vector<model::Tap> every_row;
  for (const Erasure& one : erasures->layers) every_row.push_back(one.tap(1, false));
  const ControlSpec erased = erasing(erasures), random = erasing(erasures, int64_t(input.seed));
  Json table{{"classes", items.names},
             {"fitted_on", items.fit.size()},
             {"judged_on", items.judged.size()},
             {"majority", double(*std::max_element(counts.begin(), counts.end())) / double(items.judged.size())},
             {"layers", layers},
             {"perplexity", evidence::perplexity_rise(input, 0, evidence::judged_texts, every_row)},
             {"plain", {{"others", recall(input, others.judged, {})}}},
             {"erased", {{"others", recall(input, others.judged, {erased})}}},
             {"random", {{"others", recall(input, others.judged, {random})}}}};
  if (!items.questions.requests.empty()) {
    const Questions own = items.questions.of(items.judged);
    table["plain"]["concept"] = recall(input, own, {});
    table["erased"]["concept"] = recall(input, own, {erased});
    table["random"]["concept"] = recall(input, own, {random});
    table["erased"]["fitted"] = recall(input, items.questions.of(items.known_fit()), {erased});
  }
  const Lever lever = readout::lever_of(erasures->layers, last, id);
  return {.table = table, .tensors = lever.tensors, .lever = lever.about};
}

const Register<ControlEntry> control{
    {.card = {.id = id,
              .family = "steer",
              .title = "LEACE",
              .paper = "arXiv 2306.03819",
              .sentence =
                  "Erases a concept from the states while the model answers, so that linear probes read less of "
                  "the concept's classes there.",
              .params = {{"file", "", "what 'ken steer leace -o FILE' fitted; empty: a random direction"},
                         {"strength", 1.0, "share of the erasure; 0 changes nothing", -10, 10},
                         {"where",
                          "fitted",
                          "rows: all, or the last of the prompt and those generated",
                          -1e300,
                          1e300,
                          {"fitted", "all", "last"}},
                         {"seed", -1, "of random directions, as many as fitted; -1: the fitted ones", -1, 1e12}},
              .example = "ken ask \"where was Ada Lovelace born ?\" --control leace:strength=1",
              .null_setting = {{"strength", 0.0}}},
     .open = open}};

const Register<readout::AnalysisEntry> analysis{
    {.card = {.id = id,
              .family = "steer",
              .title = "LEACE",
              .paper = "arXiv 2306.03819",
              .sentence =
                  "Fits what erases a concept from the states of labelled prompts, layer after layer, and shows "
                  "what a probe still reads and what else is lost.",
              .params =
                  {{"prompts", "", "records with text, label and group; empty: questions of a relation"},
                   {"relation", "", "a relation of the facts; its answers are the classes"},
                   {"points", "", "tap points, joined by +; empty: the stream behind the last block"},
                   {"kind", "leace", "how the classes' directions are erased", -1e300, 1e300, {"leace", "orthogonal"}},
                   {"where",
                    "last",
                    "rows that the Control erases: all, or the last and those generated",
                    -1e300,
                    1e300,
                    {"last", "all"}},
                   {"tolerance", 0.01, "singular values of W Sigma_xz up to this are noise, and stay", 0, 1},
                   {"least", 20, "prompts that a class needs", 2, 100000},
                   {"max_items", 2000, "facts or prompts at most", 20, 1000000}},
              .example = "ken steer leace relation=job -o erase.safetensors",
              .cost = Cost::minutes},
     .run = run}};

}  // namespace
}  // namespace ken::generate::leace_file
