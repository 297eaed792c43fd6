// LinEAS (Rodriguez et al., arXiv 2503.10679): affine maps of single coordinates at many points of the forward pass,
// learned together, which carry the activations of source prompts onto those of target prompts. Tens of unpaired
// prompts do.
//   T_l(z) = omega_l * z + b_l [d];  loss  sum_l sum_j 1/N |sort(xi_l[:, j]) - sort(eta_l[:, j])|^2
// eta_l [N, d]: of the target prompts in the plain model; xi_l: of the source prompts with all maps active, so that
// later points see earlier edits; gradients pass through the frozen model. A sparse group penalty of (omega - 1, b),
// gamma [|.|_1 + sqrt(d) |.|_2], acts by proximal steps. strength s: T^s(z) = (1 + s (omega - 1)) z + s b.
// Its relatives (arXiv 2410.23054) are closed forms, fitted point after point. What differs: Adam in place of SGD; last
// rows are matched, not means over rows; and relatives act on all values, not only between the source's quantiles.
#include "ken/base/error.h"
#include "ken/base/select.h"
#include "ken/evidence/labelled_texts.h"
#include "ken/evidence/source_prompts.h"
#include "ken/evidence/text_loss.h"
#include "ken/readout/affine_maps.h"
#include "ken/readout/point_list.h"

namespace ken::generate::lineas_file {
namespace {

using readout::AffineMaps;
using readout::Lever;

constexpr const char* id = "lineas";

class Lineas final : public Control {
 public:
  Lineas(std::shared_ptr<const AffineMaps> maps, const Json& p)
      : maps_(std::move(maps)), strength_(p["strength"]), where_(p["where"]), seed_(p["seed"]) {}

  void begin(const Setting& setting) override {
    const auto& config = setting.model.config;
    if (!maps_) {  // every coordinate of the middle of the model, changed by about a tenth
      const Tensor tenth = at::full({config.d_model}, 0.1);
      maps_ = std::make_shared<const AffineMaps>(
          AffineMaps{{{model::point_name(model::Point::resid_post, config.n_layers / 2), 1 + tenth, tenth}}, true});
      seed_ = std::max<int64_t>(0, seed_);
    }
    if (seed_ >= 0) maps_ = std::make_shared<const AffineMaps>(readout::random_maps(*maps_, uint64_t(seed_)));
  }

  std::vector<model::Tap> taps() override {
    std::vector<model::Tap> taps;
    const bool last = where_ == "last" || (where_ == "fitted" && maps_->last);
    for (size_t m = 0; m < maps_->maps.size(); ++m) taps.push_back(maps_->tap(m, strength_, last));
    return taps;
  }

 private:
  std::shared_ptr<const AffineMaps> maps_;
  double strength_;
  std::string where_;
  int64_t seed_;
};

// The file's own strength where none is given.
Json with_strength(Json p, double fitted) {
  if (p.at("strength").get<double>() < 0) p["strength"] = fitted;
  return p;
}

MakeControl open(const Json& p) {
  std::shared_ptr<const AffineMaps> maps;
  double fitted = 1;
  if (const std::string file = p["file"]; !file.empty()) {
    const Lever lever = readout::load_lever(file, id);
    maps = std::make_shared<const AffineMaps>(readout::affine_maps(lever));
    fitted = lever.number("strength");
  }
  return [maps, p = with_strength(p, fitted)] { return std::make_unique<Lineas>(maps, p); };
}

ControlSpec steering(const std::shared_ptr<const AffineMaps>& maps, double strength, int64_t seed = -1) {
  const Json p{{"strength", strength}, {"where", "fitted"}, {"seed", seed}};
  return {.own = [maps, p] { return std::make_unique<Lineas>(maps, p); }};
}

// The fit.

using evidence::Part;
using evidence::SourceChoice;
using readout::AnalysisInput;
using readout::AnalysisResult;
using Prompts = std::vector<std::vector<int32_t>>;

// The prompts of a label, at most n of them, drawn by the seed.
Prompts labelled_prompts(const AnalysisInput& input, const std::string& file, const std::string& label, size_t n) {
  Prompts found;
  for (const auto& item : evidence::read_labelled_texts(file))
    if (item.label == label) found.push_back(model::prompt_ids(input.model, item.text));
  return pick(found, draw(found.size(), n, input.seed));
}

// Perplexity of a hundred texts under a strength of the maps, at every row.
double dearer(const AnalysisInput& input, const AffineMaps& maps, double strength, int64_t first) {
  constexpr int64_t texts = 100;
  std::vector<model::Tap> taps;
  for (size_t m = 0; m < maps.maps.size(); ++m) taps.push_back(maps.tap(m, strength, false));
  return evidence::perplexity_rise(input, first * texts, texts, taps);
}

// The strength that flips most answers of the validation part among those within the limit on texts.
double choose_strength(const SourceChoice& choice, const std::shared_ptr<const AffineMaps>& maps, bool context,
                       double limit, Json& tried) {
  double best = 0, most = 0;
  for (const double s : {0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0}) {
    const double cost = dearer(choice.input, *maps, s, 0);
    const auto rates = choice.rates(Part::validation, {steering(maps, s)});
    tried.push_back({{"strength", s}, {"perplexity", cost}, {"rates", to_json(rates)}});
    if (cost <= limit && rates.flipped(context) > most) best = s, most = rates.flipped(context);
  }
  return best;
}

double active(const AffineMaps& maps) {  // the share of coordinates that are changed at all
  double changed = 0, all = 0;
  for (const auto& m : maps.maps) {
    changed += ((m.slope != 1).logical_or(m.offset != 0)).sum().item<double>();
    all += double(m.slope.numel());
  }
  return changed / all;
}

// Fills the table with what the maps do to the test part, and gives their strength.
double judge(const SourceChoice& choice, const std::shared_ptr<const AffineMaps>& maps, bool context, double limit,
             double whole_cost, Json& table) {
  Json tried = Json::array();
  const double s = choose_strength(choice, maps, context, limit, tried);
  const auto rates = [&](const std::vector<ControlSpec>& controls) {
    return to_json(choice.rates(Part::test, controls));
  };
  const ControlSpec chosen = steering(maps, s);
  table["tried"] = tried, table["strength"] = s;
  table["unsteered"] = {{"rates", rates({})}, {"kept", choice.side_effects({})}};
  table["steered"] = {{"rates", rates({chosen})},
                      {"kept", choice.side_effects({chosen})},
                      {"perplexity", dearer(choice.input, *maps, s, 1)}};
  table["whole"] = {{"rates", rates({steering(maps, 1)})}, {"perplexity", whole_cost}};
  table["random"] = {{"rates", rates({steering(maps, s, int64_t(choice.input.seed))})}};
  return s;
}

AnalysisResult run(const AnalysisInput& input, const Json& params) {
  const std::string file = params.at("prompts"), source = params.at("source"), target = params.at("target");
  const size_t n = params.at("samples").get<size_t>();
  const bool on_file = !file.empty();
  if (source == target || (!on_file && (source != "context" && source != "memory")) ||
      (!on_file && target != "context" && target != "memory"))
    fail_usage(id, "source '{}' and target '{}' must differ; without prompts=FILE they are context and memory", source,
               target);
  std::optional<SourceChoice> choice;
  if (!on_file) choice.emplace(input, params.at("max_items").get<size_t>());
  Prompts from, to;
  if (on_file) {
    from = labelled_prompts(input, file, source, n), to = labelled_prompts(input, file, target, n);
  } else {
    const auto own = evidence::answered_from(*choice, source, n);
    from = choice->prompts(own);
    to = params.at("target_by") == "answer" ? choice->prompts(evidence::answered_from(*choice, target, n))
                                            : evidence::told_prompts(*choice, target, n, own);
  }
  const auto fit = readout::fit_maps(input.model, from, to,
                                     {.kind = readout::map_kind(params.at("kind")),
                                      .points = readout::points_in_order(params.at("points"), input.model),
                                      .last = params.at("pool") == "last",
                                      .steps = params.at("steps"),
                                      .rate = params.at("rate"),
                                      .gamma = params.at("gamma"),
                                      .compute = input.compute},
                                     input.progress);
  const auto maps = std::make_shared<const AffineMaps>(fit.maps);
  Lever lever = readout::lever_of(*maps, id);
  lever.about["strength"] = 1.0;
  Json table{{"source_prompts", from.size()}, {"target_prompts", to.size()}, {"points", maps->maps.size()},
             {"distance_before", fit.before}, {"distance_after", fit.after}, {"active", active(*maps)}};
  const auto whole_cost = dearer(input, *maps, 1, 1);
  if (choice) {
    const bool context = target == "context";
    lever.about["strength"] = judge(*choice, maps, context, params.at("limit"), whole_cost, table);
  } else {
    table["perplexity"] = whole_cost;
  }
  return {.table = table, .tensors = lever.tensors, .lever = lever.about};
}

const Register<ControlEntry> control{
    {.card = {.id = id,
              .family = "steer",
              .title = "LinEAS",
              .paper = "arXiv 2503.10679",
              .sentence = "Maps single coordinates at many points affinely, so that activations look like those of "
                          "target prompts.",
              .params = {{"file", "", "what 'ken steer lineas -o FILE' fitted; empty: a random map"},
                         {"strength", -1.0, "share of each map; -1: as fitted, 0 changes nothing", -1, 10},
                         {"where",
                          "fitted",
                          "rows: all, or the last of the prompt and those generated",
                          -1e300,
                          1e300,
                          {"fitted", "all", "last"}},
                         {"seed", -1, "of random changes of the same length; -1: the fitted ones", -1, 1e15}},
              .example = "ken ask \"where was Ada Lovelace born ?\" --control lineas:strength=0.5",
              .null_setting = {{"strength", 0.0}}},
     .open = open}};

const Register<readout::AnalysisEntry> analysis{
    {.card =
         {.id = id,
          .family = "steer",
          .title = "LinEAS",
          .paper = "arXiv 2503.10679",
          .sentence = "Learns affine maps that carry activations of source prompts onto those of target prompts, "
                      "at all points together or, as its relatives, point after point.",
          .params = {{"prompts", "", "records with text and label; empty: conflicts by the source of their answer"},
                     {"source", "memory", "the label to come from; without a file, context or memory"},
                     {"target", "context", "the label to go to"},
                     {"target_by",
                      "instruction",
                      "without a file, target prompts are conflicts told to use it, or answered from it untold",
                      -1e300,
                      1e300,
                      {"instruction", "answer"}},
                     {"samples", 32, "prompts of each label", 2, 100000},
                     {"kind", "joint", "joint, or a closed form for each point", -1e300, 1e300, readout::map_kinds()},
                     {"points", "blocks.*.ln1.hook_normalized+blocks.*.ln2.hook_normalized", "tap points, joined by +"},
                     {"pool",
                      "last",
                      "what of a prompt is matched, and mapped: its last row, or (the mean of) all",
                      -1e300,
                      1e300,
                      {"last", "mean"}},
                     {"steps", 100, "of the joint fit", 1, 1000000},
                     {"rate", 0.03, "of Adam, falling to 0 as a cosine", 1e-9, 10},
                     {"gamma", 0.1, "weight of the sparse group penalty", 0, 1e6},
                     {"limit", 0.05, "most that perplexity on texts may rise when the strength is chosen", 0, 1e6},
                     {"max_items", 800, "conflicts at most: source, target, validation and judged ones", 100, 100000}},
          .example = "ken steer lineas -o maps.safetensors",
          .cost = Cost::minutes},
     .run = run}};

}  // namespace
}  // namespace ken::generate::lineas_file
