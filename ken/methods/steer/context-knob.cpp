// The knob of controllable context sensitivity (Minder et al., arXiv 2411.07404): one direction u of one layer's last
// state whose coordinate says whether a question beside a passage is answered from the passage or from memory.
//   fit:    u [d_model], |u| = 1: h <- h + u (u^T h_src - u^T h) at the last position, between two runs of the same
//           question that are told opposite sources, makes the run answer as the source run does (cross-entropy of its
//           first token). The layer is the one of least loss on the validation part.
//   v:      middle +- times * half; middle and half from the mean coordinates of the two instructed runs, `times` from
//           a scan on the validation part. + is memory.
//   steer:  h <- h + strength u (v - u^T h), at the last position of the prompt and at each generated token.
// The coordinate is set, not added to: an offset would pile up over the tokens of an answer.
#include <algorithm>

#include "ken/base/error.h"
#include "ken/evidence/source_choice.h"
#include "ken/model/shipped.h"
#include "ken/readout/lever.h"

namespace ken::generate::context_knob_file {
namespace {

using readout::Lever;

constexpr const char* id = "context-knob";

// u reads the coordinate, w is written: u itself, or a random direction that the same amounts go to.
struct Knob {
  Tensor u, w;
  int64_t layer = -1;
  double middle = 0, half = 1, times_memory = 1, times_context = 1;

  double value(const std::string& to, double times) const {
    const bool memory = to == "memory";
    if (times == 0) times = memory ? times_memory : times_context;
    return middle + (memory ? times : -times) * half;
  }
};

Lever lever_of(const Knob& knob) {
  return {.method = id,
          .about = {{"layer", knob.layer},
                    {"middle", knob.middle},
                    {"half", knob.half},
                    {"times_memory", knob.times_memory},
                    {"times_context", knob.times_context}},
          .tensors = {{"direction", knob.u}}};
}

Knob knob_of(const Lever& lever) {
  Knob knob;
  knob.u = knob.w = lever.at("direction", {-1});
  knob.layer = lever.integer("layer", 0, 1 << 20);
  knob.middle = lever.number("middle"), knob.half = lever.number("half");
  knob.times_memory = lever.number("times_memory"), knob.times_context = lever.number("times_context");
  if (std::abs(knob.u.norm().item<double>() - 1) > 1e-3)
    fail("lever", "{}: 'direction' must have the length 1; it has {:.4f}", lever.file, knob.u.norm().item<double>());
  return knob;
}

class ContextKnob final : public Control {
 public:
  ContextKnob(Knob knob, const Json& p)
      : knob_(std::move(knob)), to_(p["to"]), times_(p["times"]), strength_(p["strength"]), seed_(p["seed"]) {}

  void begin(const Setting& setting) override {
    const auto& config = setting.model.config;
    const int64_t d = config.d_model;
    if (knob_.layer < 0) knob_.layer = config.n_layers / 2;
    if (knob_.layer >= config.n_layers || (knob_.u.defined() && knob_.u.numel() != d))
      fail_usage(id, "the lever is of layer {} and {} numbers; the model has layers 0 to {} of width {}: fit it again",
                 knob_.layer, knob_.u.defined() ? knob_.u.numel() : d, config.n_layers - 1, d);
    if (!knob_.u.defined() || seed_ >= 0)
      knob_.w = readout::random_subspace(d, 1, knob_.layer, uint64_t(std::max<int64_t>(0, seed_))).basis.select(1, 0);
    if (!knob_.u.defined()) knob_.u = knob_.w;
    // [d]: read and written in the stream's place
    knob_.u = knob_.u.to(setting.model.device), knob_.w = knob_.w.to(setting.model.device);
  }

  std::vector<model::Tap> taps() override {
    return {{model::point_name(model::Point::resid_post, knob_.layer),
             [this](const Tensor& x, const model::Site&) { return std::optional<Tensor>(set(x)); }}};
  }

 private:
  Tensor set(const Tensor& x) const {
    const int64_t last = x.size(0) - 1;
    const Tensor h = x[last].to(at::kFloat);  // [d]
    Tensor y = x.clone();
    y[last] = (h + strength_ * knob_.w * (knob_.value(to_, times_) - knob_.u.dot(h))).to(x.scalar_type());
    return y;
  }

  Knob knob_;
  std::string to_;
  double times_, strength_;
  int64_t seed_;
};

MakeControl open(const Json& p) {
  Knob knob;
  if (const std::string file = p["file"]; !file.empty()) knob = knob_of(readout::load_lever(file, id));
  return [knob, p] { return std::make_unique<ContextKnob>(knob, p); };
}

ControlSpec setting(const Knob& knob, const std::string& to, double times, int64_t seed = -1) {
  const Json p{{"to", to}, {"times", times}, {"strength", 1.0}, {"seed", seed}};
  return {.own = [knob, p] { return std::make_unique<ContextKnob>(knob, p); }};
}

// The fit.

using evidence::Mode;
using evidence::Part;
using evidence::SourceChoice;
using readout::AnalysisInput;
using readout::AnalysisResult;

// The smallest multiple that flips within one point of as many answers of the validation part as any does.
double choose_times(const SourceChoice& choice, const Knob& knob, const std::string& to, Json& scan) {
  const std::vector<double> tried = {1, 1.5, 2, 3, 4, 6, 8};
  std::vector<double> flipped;
  for (const double times : tried) {
    const auto rates = choice.rates(Part::validation, {setting(knob, to, times)});
    flipped.push_back(rates.flipped(to == "context"));
    scan.push_back({{"to", to}, {"times", times}, {"rates", to_json(rates)}});
  }
  const double best = *std::max_element(flipped.begin(), flipped.end());
  for (size_t i = 0; i < tried.size(); ++i)
    if (flipped[i] >= best - 0.01) return tried[i];
  return tried.back();
}

// What the knob does to a model's questions without any instruction, held against a random direction.
Json judged(const SourceChoice& choice, const Knob& knob, int64_t seed) {
  Json table{{"unsteered", {{"rates", to_json(choice.rates(Part::test, {}))}, {"kept", choice.side_effects({})}}}};
  for (const std::string to : {"context", "memory"}) {
    const ControlSpec turned = setting(knob, to, 0), random = setting(knob, to, 0, seed);
    table[to] = {{"value", knob.value(to, 0)},
                 {"rates", to_json(choice.rates(Part::test, {turned}))},
                 {"kept", choice.side_effects({turned})},
                 {"random_direction", to_json(choice.rates(Part::test, {random}))}};
  }
  return table;
}

AnalysisResult run(const AnalysisInput& input, const Json& params) {
  const data::FactSet conflicts = evidence::conflicts_of(input.facts);
  AnalysisInput fitted{input.model, conflicts, input.style, input.seed, input.compute, input.progress, input.texts};
  const size_t max_items = params.at("max_items").get<size_t>();
  const evidence::SourceAxes axes(
      fitted, {params.at("memory_instruction"), params.at("context_instruction"), ""},
      {params.at("depth"), params.at("confidence"), params.at("epochs"), params.at("batch"), params.at("rate")},
      max_items);
  auto fit = axes.fit(1);
  axes.turn_axis(fit.subspace);
  const Tensor means = fit.subspace.coordinates(axes.instructed_means(fit.subspace.layer));  // [{memory, context}, 1]
  const double memory = means[0][0].item<double>(), context = means[1][0].item<double>();
  Knob knob;
  knob.u = knob.w = fit.subspace.basis.select(1, 0).contiguous();
  knob.layer = fit.subspace.layer;
  knob.middle = (memory + context) / 2, knob.half = (memory - context) / 2;

  const SourceChoice choice(input, max_items);
  Json scan = Json::array();
  knob.times_context = choose_times(choice, knob, "context", scan);
  knob.times_memory = choose_times(choice, knob, "memory", scan);
  Json table{{"layer", knob.layer},
             {"layers", input.model.config.n_layers},
             {"fits", fit.tried},
             {"interchange", axes.interchange(fit.subspace)},
             {"means", {{"memory", memory}, {"context", context}}},
             {"scan", scan},
             {"times", {{"memory", knob.times_memory}, {"context", knob.times_context}}},
             {"judged", judged(choice, knob, int64_t(input.seed))}};
  if (const std::string name = params.at("other"); !name.empty()) {
    const auto other = model::load(model::model_path(name));
    if (other->config.d_model != input.model.config.d_model || knob.layer >= other->config.n_layers)
      fail(id, "{} has {} layers of width {}; the direction is of layer {} and width {}", name, other->config.n_layers,
           other->config.d_model, knob.layer, input.model.config.d_model);
    AnalysisInput there{*other, input.facts, input.style, input.seed, input.compute, input.progress, input.texts};
    table["other"] = {{"model", name}, {"judged", judged({there, max_items}, knob, int64_t(input.seed))}};
  }
  const Lever lever = lever_of(knob);
  return {.table = table, .tensors = lever.tensors, .lever = lever.about};
}

const Register<ControlEntry> control{
    {.card = {.id = id,
              .family = "steer",
              .title = "Context sensitivity knob",
              .paper = "arXiv 2411.07404",
              .sentence = "Sets one coordinate of one layer's last state, so that questions beside a passage are "
                          "answered from the passage or from memory.",
              .params = {{"file", "", "what 'ken steer context-knob -o FILE' fitted; empty: a random direction"},
                         {"to", "context", "the source to answer from", -1e300, 1e300, {"context", "memory"}},
                         {"times", 0.0,
                          "the value, in half distances of the two instructed means from their middle; 0: as fitted", 0,
                          1e6},
                         {"strength", 1.0, "how much of the way to that value; 0 changes nothing", 0, 100},
                         {"seed", -1, "of a random direction that the same amounts are added along; -1: the fitted one",
                          -1, 1e15}},
              .example = "ken ask --control context-knob:to=memory --context-text \"the birthplace of Ada Lovelace is "
                         "Turin .\" \"where was Ada Lovelace born ?\"",
              .null_setting = {{"strength", 0.0}}},
     .open = open}};

const Register<readout::AnalysisEntry> analysis{
    {.card = {.id = id,
              .family = "steer",
              .title = "Context sensitivity knob",
              .paper = "arXiv 2411.07404",
              .sentence = "Fits the direction whose coordinate decides between passage and memory, by exchanging it "
                          "between runs that are told one or the other, and chooses the values to set it to.",
              .params = {{"depth", 0.0, "the layer as a share of the depth; 0: the best of four, not judged on it", 0,
                          1},
                         {"epochs", 4, "passes over the pairs", 1, 1000},
                         {"batch", 32, "exchanges a step", 1, 4096},
                         {"rate", 0.02, "of Adam on the direction, falling to 0", 1e-6, 1},
                         {"confidence", 0.0, "least probability of the first token of both instructed answers", 0, 1},
                         {"memory_instruction", "", "text that asks for memory; empty: those of the facts' cases"},
                         {"context_instruction", "", "text that asks for the passage; empty: likewise"},
                         {"max_items", 800, "conflicts at most, each read under three instructions", 40, 100000},
                         {"other", "", "another model that the knob is tried on: a file, or a shipped one's name"}},
              .example = "ken steer context-knob -o knob.safetensors",
              .cost = Cost::minutes},
     .run = run}};

}  // namespace
}  // namespace ken::generate::context_knob_file
