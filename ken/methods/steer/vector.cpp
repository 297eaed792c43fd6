// Control vectors: a direction for each layer that moves a behaviour (difference of means, CAA, arXiv 2312.06681; first
// component, RepE, arXiv 2310.01405; a probe's weights).
//   add     h <- h + s v              v [d] the layer's direction, s the strength
//   set     h <- h + (s |v| - h.v^) v^    v^ = v / |v|: the coordinate along v becomes s |v|
//   ablate  h <- h - s (h.v^) v^      s = 1 removes what h holds along v
// Rows are chosen by phase, position and token, and, with `above`, by whether h lies along the direction: then only
// where cos(h, v) is above it. The first token is left out where it is BOS: states there are a sink of large norm.
// Fitted on pairs of prompts that differ in the behaviour, by their last states: a file's, or the same question beside
// the same passage under the instructions to use the passage and to use memory.
// Reads llama.cpp's control vectors, ken's, probes, and a steering request as EasySteer takes it (several vectors).
#include <algorithm>
#include <set>

#include "ken/base/error.h"
#include "ken/base/read_json.h"
#include "ken/evidence/behaviour_pairs.h"
#include "ken/generate/generate.h"
#include "ken/readout/collect.h"
#include "ken/readout/judge.h"
#include "ken/readout/push.h"
#include "ken/readout/shift.h"

namespace ken::generate::vector_file {
namespace {

using readout::Push;

// "4..8+11" of n layers, -1 the last; empty: all.
std::set<int64_t> layers_from(const std::string& text, int64_t n) {
  std::set<int64_t> layers;
  for (auto [first, last] : readout::ranges_of(text)) {
    if (std::min(first, last) < -n || std::max(first, last) >= n)
      fail_usage("vector", "layers={} names a layer outside 0 to {} (-1 is the last)", text, n - 1);
    if (first < 0) first += n;
    if (last < 0) last += n;
    for (int64_t layer = first; layer <= last; ++layer) layers.insert(layer);
  }
  return layers;
}

using Pushes = std::vector<Push>;

Pushes read_pushes(const Json& p) {
  const std::string file = p["file"];
  if (file.ends_with(".json")) return readout::read_request(parse_json(read_text(file)));
  Push push;
  if (!file.empty()) push.vector = readout::read_directions(file);
  if (const std::string point = p["point"]; !point.empty()) push.vector.point = point;
  push.operation = p["operation"] == "file" ? push.vector.operation : p["operation"].get<std::string>();
  push.strength = p["strength"], push.above = p["above"], push.keep_norm = p["keep_norm"], push.bos = p["bos"];
  const std::string phase = p["phase"];
  push.prompt.all = phase == "all" || phase == "prompt", push.decode.all = phase == "all" || phase == "decode";
  if (phase == "answer") push.prompt.positions = {-1}, push.decode.all = true;
  return {push};
}

class Vector final : public Control {
 public:
  Vector(std::shared_ptr<const Pushes> pushes, Json params) : pushes_(std::move(pushes)), params_(std::move(params)) {}

  void begin(const Setting& setting) override {
    model_ = &setting.model;
    const auto& config = setting.model.config;
    const auto wanted = layers_from(params_["layers"], config.n_layers);
    const std::string file = params_["file"];
    for (const Push& push : *pushes_) {
      auto directions = push.vector.directions;
      if (file.empty())  // the control: random directions of length 1
        for (int64_t l = 0; l < config.n_layers; ++l) {
          const Tensor random =
              readout::random_direction(config.d_model, params_["seed"].get<uint64_t>() + uint64_t(l));
          directions[l] = (random / random.norm()).to(at::kFloat);
        }
      for (const auto& [layer, direction] : directions) {
        if (!wanted.empty() && wanted.count(layer) == 0) continue;
        if (layer >= config.n_layers || direction.numel() != config.d_model)
          fail("vector", "{} has direction {} of {} numbers; {} has {} layers of width {}", file, layer,
               direction.numel(), config.name, config.n_layers, config.d_model);
        active_.push_back({&push, fmt::format("blocks.{}.{}", layer, push.vector.point), direction});
      }
    }
    where_.has_bos = setting.model.tokenizer && setting.model.tokenizer->add_bos;
    where_.window = readout::ranges_of(params_["window"]);
    const std::string token = params_["token"];
    if (token.empty()) return;
    const auto ids = setting.model.tokenizer ? setting.model.tokenizer->encode(token) : std::vector<int32_t>();
    if (ids.size() != 1)
      fail_usage("vector", "token='{}' is {} tokens of {}; give the text of one", token, ids.size(), config.name);
    where_.token = ids[0];
  }

  // The prompt is known here as it is read.
  std::vector<Twin> twins(const Prompt& prompt) override {
    if (model_->tokenizer && !prompt.text.empty()) where_.prompt = prompt_ids(*model_, prompt.text, prompt.chat.get());
    return {};
  }

  std::vector<model::Tap> taps() override {
    std::vector<model::Tap> taps;
    for (const Active& a : active_)
      taps.push_back({a.point, [this, &a](const Tensor& x, const model::Site& site) { return pushed(a, x, site); }});
    return taps;
  }

  Tensor combine(Step& step) override {
    where_.chosen = step.chosen;
    return step.logits;
  }

 private:
  struct Active {
    const Push* push;
    std::string point;
    Tensor direction;
  };

  std::optional<Tensor> pushed(const Active& a, const Tensor& x, const model::Site& site) const {
    if (x.dim() != 2) fail_usage("vector", "{} does not hold one row a token", a.point);
    std::vector<float> rows;
    for (const int64_t position : site.positions) rows.push_back(where_.applies(*a.push, site.phase, position));
    if (std::all_of(rows.begin(), rows.end(), [](float r) { return r == 0; })) return std::nullopt;
    const Push& p = *a.push;
    const Tensor h = x.to(at::kFloat), v = a.direction.to(x.device());
    const double length = std::max(1e-12, v.norm().item<double>());
    const Tensor along = at::mv(h, v / length).unsqueeze(1);    // h.v^ [n, 1]
    Tensor amount = at::full_like(along, p.strength * length);  // of v^, row by row
    if (p.operation == "set") amount = amount - along;
    if (p.operation == "ablate") amount = -p.strength * along;
    amount = amount * at::tensor(at::ArrayRef<float>(rows)).to(x.device()).unsqueeze(1);
    const Tensor norm = h.norm(2, at::IntArrayRef{1}, true);
    if (p.above > -1) amount = amount * (along > p.above * norm).to(at::kFloat);
    Tensor y = h + amount * (v / length);
    if (p.keep_norm) y = y * (norm / y.norm(2, at::IntArrayRef{1}, true).clamp_min(1e-12));
    return y.to(x.scalar_type());
  }

  std::shared_ptr<const Pushes> pushes_;
  Json params_;
  const model::Model* model_ = nullptr;
  std::vector<Active> active_;
  readout::PushedRows where_;
};

const Register<ControlEntry> entry{
    {.card = {.id = "vector",
              .family = "steer",
              .title = "Control vectors",
              .paper = "arXiv 2312.06681, 2310.01405",
              .sentence =
                  "Adds a direction to the stream at some layers, sets or removes what lies along it, where and "
                  "when it is asked to.",
              .params = {{"file", "",
                          "control vector (.gguf), probes (.safetensors) or a steering request (.json); "
                          "empty: random directions of length 1, as a control"},
                         {"strength", 1.0, "times the direction", -1e6, 1e6},
                         {"operation",
                          "file",
                          "what is done with the direction; file: what it was written for",
                          -1e300,
                          1e300,
                          {"file", "add", "set", "ablate"}},
                         {"layers", "", "such as 4..8+11, -1 the last; empty: all that the file holds"},
                         {"phase",
                          "all",
                          "rows of the prompt, of the decoded tokens, of both, or those that decide the answer",
                          -1e300,
                          1e300,
                          {"all", "prompt", "decode", "answer"}},
                         {"window", "", "only these positions, such as 3..9; -1 is the prompt's last"},
                         {"token", "", "only rows that read this token"},
                         {"above", -2.0, "only where the state's cosine with the direction is above this", -2, 1},
                         {"keep_norm", false, "scale each changed row back to its length"},
                         {"bos", false, "steer the BOS row, too"},
                         {"point", "", "another point of each layer than the file's"},
                         {"seed", 0, "of random directions", 0, 1e9}},
              .example = "ken ask \"where was Ada Lovelace born ?\" --control vector:strength=0.5,layers=2",
              .null_setting = {{"strength", 0.0}}},
     .open = [](const Json& p) -> MakeControl {
       const auto pushes = std::make_shared<const Pushes>(read_pushes(p));
       return [pushes, p] { return std::make_unique<Vector>(pushes, p); };
     }}};

}  // namespace
}  // namespace ken::generate::vector_file

namespace ken::readout::vector_file {
namespace {

// Each layer: how well the direction of the other half of the groups tells the two sides apart, and how the two methods
// agree. The directions that are kept are fitted on all pairs.
AnalysisResult fit(const AnalysisInput& input, const Json& params) {
  const auto pairs = evidence::behaviour_pairs(input, params.at("pairs"), params.at("max_pairs"));
  const std::vector<std::string> points{"blocks.*.hook_resid_post"};
  const auto states = [&](const std::vector<Item>& items) {
    return collect(input.model, items, points, input.compute, input.progress).values.select(2, 0);  // [n, layers, d]
  };
  const Tensor positive = states(pairs.positive), negative = states(pairs.negative);
  const auto fold = stats::grouped_folds(pairs.groups, 2, input.seed);
  std::vector<int64_t> train, test;
  for (size_t i = 0; i < fold.size(); ++i) (fold[i] ? test : train).push_back(int64_t(i));
  if (train.empty() || test.empty()) fail("vector", "all pairs are of one group; give pairs of several");
  const auto rows = [](const Tensor& x, const std::vector<int64_t>& which) {
    return x.index_select(0, at::tensor(at::ArrayRef<int64_t>(which), at::kLong));
  };
  const std::string method = params.at("method");
  AnalysisResult result;
  Json layers = Json::array();
  for (int64_t l = 0; l < positive.size(1); ++l) {
    const Tensor plus = positive.select(1, l), minus = negative.select(1, l);
    const Tensor v = direction_of(rows(plus, train), rows(minus, train), method);
    std::vector<double> scores = doubles(at::mv(rows(plus, test), v));
    std::vector<int> labels(scores.size(), 1);
    for (const double score : doubles(at::mv(rows(minus, test), v))) scores.push_back(score), labels.push_back(0);
    const Tensor whole = direction_of(plus, minus, method),
                 other = direction_of(plus, minus, method == "mean" ? "pca" : "mean");
    const double norm = at::cat({plus, minus}).norm(2, at::IntArrayRef{1}).mean().item<double>();
    layers.push_back({{"layer", l},
                      {"auroc", stats::auroc(scores, labels)},
                      {"length", whole.norm().item<double>()},
                      {"length_of_states", norm},
                      {"cosine_mean_pca", at::cosine_similarity(whole, other, 0).item<double>()}});
    result.tensors[fmt::format("direction.{}", l)] = whole;
  }
  result.table = {{"id", "vector"}, {"pairs", pairs.groups.size()}, {"held_out", test.size()}, {"layers", layers}};
  result.lever = {{"form", "control vector"}, {"point", "hook_resid_post"}, {"operation", "add"}};
  return result;
}

const Register<AnalysisEntry> fitted{
    {.card = {.id = "vector",
              .family = "steer",
              .title = "Control vectors",
              .paper = "arXiv 2312.06681, 2310.01405",
              .sentence = "Fits a direction for each layer on pairs of prompts that differ in a behaviour.",
              .params = {{"pairs", "",
                          "records {positive, negative}; empty: the facts' passages under two instructions"},
                         {"method",
                          "mean",
                          "of the differences: their mean, or their first component",
                          -1e300,
                          1e300,
                          {"mean", "pca"}},
                         {"max_pairs", 300, "pairs at most of the facts", 10, 100000}},
              .example = "ken steer vector max_pairs=60 -o context.gguf"},
     .run = fit}};

}  // namespace
}  // namespace ken::readout::vector_file
