// Knowledge neurons (Dai et al., arXiv 2104.08696): which neurons of the MLPs a known answer hangs on. Each layer's
// neurons at the last position are scaled from nothing to their values, and the gradient of the answer's logit over the
// runner-up's is integrated along the way (arXiv 1703.01365). One row a point runs, over the prompt's own keys and
// values. Checked by taking the named neurons away, against as many drawn at random.
#include <algorithm>

#include "ken/base/error.h"
#include "ken/base/rng.h"
#include "ken/evidence/known.h"
#include "ken/model/partial.h"
#include "ken/readout/analysis.h"
#include "ken/readout/attribution.h"
#include "ken/readout/judge.h"
#include "ken/stats/stats.h"

namespace ken::readout::knowledge_neurons_file {
namespace {

constexpr int random_draws = 4;

// F of the neurons mlp.hook_post [m, d_ff] of one block at the last position, the rest of the prompt as it is: one row
// a point from this block on, over the prompt's own keys and values.
class LastNeurons {
 public:
  LastNeurons(const model::Model& model, const std::vector<int32_t>& tokens, nn::Compute compute);
  Tensor values(int64_t layer) const { return neurons_[size_t(layer)]; }  // [d_ff]
  Scalar scalar(int64_t layer, const Contrast& answer);                   // valid while this lives
  // F where neurons are multiplied by masks [m, layers, d_ff], each a run of its own: [m]
  Tensor masked(const Tensor& masks, const Contrast& answer);

 private:
  Tensor run(std::vector<model::Tap> taps, int64_t layer, int64_t n);
  const model::Model& model_;
  nn::Compute compute_;
  nn::KvCache cache_;
  int sequence_ = -1;
  int32_t last_ = 0;
  std::vector<Tensor> entering_, neurons_;  // a block: [1, d_model] and [d_ff] of the last position
};

// A tap that puts row s of `values` in the place of what sequence s has. The rows are cut apart once: a gradient of
// each cut by itself would be as large as all rows.
model::Tap placed(const std::string& point, const Tensor& values) {
  return {point, [rows = values.unbind(0)](const Tensor& x, const model::Site& site) {
            return std::optional<Tensor>(rows[size_t(site.sequence)].reshape(x.sizes()).to(x.scalar_type()));
          }};
}

LastNeurons::LastNeurons(const model::Model& model, const std::vector<int32_t>& tokens, nn::Compute compute)
    : model_(model),
      compute_(compute),
      cache_(model::make_cache(model, compute)),
      entering_(size_t(model.config.n_layers)),
      neurons_(size_t(model.config.n_layers)) {
  const at::NoGradGuard no_gradients;
  if (!model.blocks.empty() && !model.blocks.front().experts.empty())
    fail("attribution", "{} has experts, which have no neurons of their own at mlp.hook_post", model.config.name);
  if (tokens.empty()) fail("attribution", "an empty prompt has no last position");
  sequence_ = cache_.open();
  last_ = tokens.back();
  const auto keep = [](std::vector<Tensor>& to) {
    return [&to](const Tensor& x, const model::Site& site) {
      to[size_t(site.layer)] = x.narrow(0, x.size(0) - 1, 1).to(at::kFloat).clone();
      return std::optional<Tensor>();
    };
  };
  const model::TapPlan plan(model.config,
                            {{"blocks.*.hook_resid_pre", keep(entering_)}, {"blocks.*.mlp.hook_post", keep(neurons_)}});
  model::forward(model, model::pack({{tokens, sequence_}}, model.config.vocab, &cache_),
                 {.compute = compute, .taps = &plan, .cache = &cache_, .logits = model::ForwardOptions::Logits::none});
  cache_.truncate(sequence_, int64_t(tokens.size()) - 1);
  for (Tensor& neurons : neurons_) neurons = neurons.flatten();
}

Scalar LastNeurons::scalar(int64_t layer, const Contrast& answer) {
  return [this, layer, answer](const Tensor& points) {
    return contrast(run({placed(model::point_name(model::Point::mlp_post, layer), points)}, layer, points.size(0)),
                    answer);
  };
}

Tensor LastNeurons::masked(const Tensor& masks, const Contrast& answer) {
  const at::NoGradGuard no_gradients;
  const auto mask = [masks](const Tensor& x, const model::Site& site) {
    return std::optional<Tensor>(x * masks[site.sequence][site.layer].to(x.scalar_type()));
  };
  return contrast(run({{"blocks.*.mlp.hook_post", mask}}, 0, masks.size(0)), answer);
}

// Logits of n runs of the last position from block `layer` on.
Tensor LastNeurons::run(std::vector<model::Tap> taps, int64_t layer, int64_t n) {
  std::vector<model::Row> rows;
  for (int64_t i = 0; i < n; ++i) rows.push_back({{last_}, cache_.fork(sequence_)});
  const model::TapPlan plan(model_.config, std::move(taps));
  const model::Start start{layer, entering_[size_t(layer)].expand({n, model_.config.d_model})};
  const Tensor logits = model::forward(model_, model::pack(rows, model_.config.vocab, &cache_),
                                       {.compute = compute_, .taps = &plan, .cache = &cache_}, &start)
                            .logits;
  for (const model::Row& row : rows) cache_.close(row.cached);
  return logits;
}

// Masks [1 + random, layers, d_ff]: without the `count` neurons of largest score, and without others.
Tensor neuron_masks(const Tensor& scores, int64_t count, uint64_t seed, uint64_t item) {
  const int64_t n = scores.numel();
  const Tensor masks = at::ones({1 + random_draws, n});
  masks[0].index_fill_(0, std::get<1>(scores.flatten().topk(std::min(count, n))), 0);
  Rng rng(seed, 0x4e00 + item);
  for (int64_t r = 1; r <= random_draws; ++r)
    for (int64_t k = 0; k < count; ++k) masks[r][int64_t(rng.below(uint64_t(n)))].fill_(0);
  return masks.view({1 + random_draws, scores.size(0), scores.size(1)});
}

Json top_neurons(const Tensor& mean, const Tensor& often, size_t items) {
  constexpr int64_t most = 20;
  Json result = Json::array();
  const auto [scores, places] = mean.flatten().topk(std::min(most, mean.numel()));
  for (int64_t k = 0; k < scores.size(0); ++k) {
    const int64_t place = places[k].item<int64_t>();
    result.push_back({{"layer", place / mean.size(1)},
                      {"neuron", place % mean.size(1)},
                      {"score", scores[k].item<double>()},
                      {"items", often.flatten()[place].item<double>() / double(items)}});
  }
  return result;
}

AnalysisResult run(const AnalysisInput& input, const Json& params) {
  const auto items = evidence::known_items(input, params.at("max_items"));
  constexpr double near_most = 0.2;  // of the largest score: the threshold of Dai et al.
  const int64_t layers = input.model.config.n_layers;
  const IntegrationOptions options{params.at("steps"), params.at("steps").get<int64_t>() * 8, params.at("gap")};
  std::vector<double> gaps, dropped, random;
  Tensor sum, often;
  for (size_t i = 0; i < items.size(); ++i) {
    if (input.progress) input.progress("neurons", i, items.size(), "");
    LastNeurons neurons(input.model, items[i].tokens, input.compute);
    std::vector<Tensor> of_layer;
    for (int64_t l = 0; l < layers; ++l) {
      const Tensor x = neurons.values(l);
      const Attribution found = integrated_gradients(neurons.scalar(l, items[i].answer), x, at::zeros_like(x), options);
      of_layer.push_back(found.scores);
      gaps.push_back(found.gap());
    }
    const Tensor scores = at::stack(of_layer);  // [layers, d_ff]
    sum = sum.defined() ? sum + scores : scores;
    const Tensor near = (scores > near_most * scores.max()).to(at::kFloat);
    often = often.defined() ? often + near : near;
    const Tensor masks =
        at::cat({at::ones({1, layers, scores.size(1)}), neuron_masks(scores, params.at("top"), input.seed, i)});
    const auto p = doubles(neurons.masked(masks, {items[i].answer.wanted}).exp());
    dropped.push_back(p[0] - p[1]);
    random.push_back(p[0] - stats::mean_of(std::span(p).subspan(2)));
  }
  const Tensor mean = sum / double(items.size());
  std::vector<double> above;
  for (size_t i = 0; i < dropped.size(); ++i) above.push_back(dropped[i] - random[i]);
  std::sort(gaps.begin(), gaps.end());
  const auto number = [&](const std::vector<double>& values) {
    return stats::to_json(stats::mean(values, input.seed, "probability_drop"));
  };
  return {{{"items", items.size()},
           {"drop_without_top", number(dropped)},
           {"drop_without_random", number(random)},
           {"drop_above_random", number(above)},
           {"median_gap", gaps[gaps.size() / 2]},
           {"largest_gap", gaps.back()},
           {"by_layer", doubles(mean.sum(1))},
           {"neurons", top_neurons(mean, often, items.size())}},
          {{"neurons", mean}, {"often", often / double(items.size())}}};
}

const Register<AnalysisEntry> entry{
    {.card = {.id = "knowledge-neurons",
              .family = "inside",
              .title = "Knowledge neurons",
              .paper = "arXiv 2104.08696",
              .sentence = "Attributes known answers to the MLP neurons of the last position and shows what is left of "
                          "them without those neurons.",
              .params = {{"steps", 20,
                          "points of the line from nothing; doubled up to three times where the gap is "
                          "too large",
                          1, 4096},
                         {"gap", 0.05, "largest share of the change that the attribution may miss", 0, 1},
                         {"top", 20, "how many neurons are taken away together", 1, 100000},
                         {"max_items", 60, "facts asked, drawn by the seed", 1, 100000}},
              .example = "ken inside knowledge-neurons max_items=20",
              .cost = Cost::seconds},
     .run = run}};

}  // namespace
}  // namespace ken::readout::knowledge_neurons_file
