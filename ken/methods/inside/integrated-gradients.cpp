// Integrated gradients (Sundararajan et al., arXiv 1703.01365): which tokens, at the embeddings or at any layer,
// account for the logit of a fact's answer over an alternative's; how complete the attribution is; what is left of the
// answer's probability when the tokens it names are taken away, against others drawn at random.
#include <algorithm>
#include <numeric>

#include "ken/base/error.h"
#include "ken/base/rng.h"
#include "ken/evidence/known.h"
#include "ken/readout/collect.h"
#include "ken/readout/judge.h"
#include "ken/stats/stats.h"

namespace ken::readout::integrated_gradients_file {
namespace {

using evidence::KnownItem;

const std::vector<double> shares = {0.1, 0.2, 0.3, 0.4, 0.5};
constexpr int random_orders = 4;

// Residual states [T, d_model] of every token that enter `layer` (0: what the embeddings add up to).
std::vector<Tensor> entering(const AnalysisInput& input, const std::vector<KnownItem>& items, int64_t layer) {
  const at::NoGradGuard no_gradients;
  std::vector<Tensor> result;
  const auto keep = [&](const Tensor& x, const model::Site&) {
    result.push_back(x.to(at::kFloat).clone());
    return std::optional<Tensor>();
  };
  const model::TapPlan plan(input.model.config, {{model::point_name(model::Point::resid_pre, layer), keep}});
  const model::ForwardOptions options{.compute = input.compute, .taps = &plan};
  for (const KnownItem& item : items)
    model::forward(input.model, model::pack({{item.tokens}}, input.model.config.vocab), options);
  return result;
}

// Of each item's states; undefined where the item has no partner.
std::vector<Tensor> baselines(const AnalysisInput& input, const std::vector<KnownItem>& items,
                              const std::vector<Tensor>& x, int64_t layer, const std::string& kind) {
  Tensor mean = layer == 0 ? mean_embedding(input.model) : at::cat(x).mean(0);
  if (kind == "zero") mean = at::zeros_like(mean);
  std::vector<Tensor> result;
  for (size_t i = 0; i < items.size(); ++i) {
    const int64_t n = x[i].size(0);
    Tensor rows = mean.expand({n, mean.size(0)}).contiguous();
    // what stands at a place is taken away, not the place
    if (layer == 0) rows = rows + position_embeddings(input.model, n);
    if (kind == "corrupt") rows = items[i].partner == SIZE_MAX ? Tensor() : x[items[i].partner];
    result.push_back(rows);
  }
  return result;
}

// Figures of the judged items, one value an item.
using Columns = std::map<std::string, std::vector<double>>;

Json numbers(const Columns& columns, uint64_t seed) {
  Json result = Json::object();
  for (const auto& [name, values] : columns) result[name] = stats::to_json(stats::mean(values, seed, name));
  return result;
}

Json completeness(std::vector<double> gaps, const std::vector<double>& steps, double bound) {
  const auto close = std::count_if(gaps.begin(), gaps.end(), [&](double gap) { return gap <= bound; });
  const Json share = stats::to_json(stats::proportion(close, int64_t(gaps.size()), "complete"));
  std::sort(gaps.begin(), gaps.end());
  return {{"bound", bound},
          {"within_bound", share},
          {"median_gap", gaps[gaps.size() / 2]},
          {"largest_gap", gaps.back()},
          {"mean_steps", stats::mean_of(steps)}};
}

// What is left of an answer when tokens are taken away (comprehensiveness) or alone stay (sufficiency): p(full) minus p
// (ERASER, DeYoung et al., arXiv 1911.03429). x and baseline [T, d].
struct Erasure {
  std::vector<double> comprehensiveness, sufficiency;  // at each share
};
// Orders: the tokens that are taken (or kept) first in front.
std::vector<Erasure> erase(const Scalar& log_prob, const Tensor& x, const Tensor& baseline,
                           const std::vector<std::vector<int64_t>>& orders) {
  std::vector<Tensor> points{x};
  for (const auto& order : orders)
    for (const double share : shares) {
      const size_t count = std::min(order.size(), size_t(std::ceil(share * double(order.size()))));
      Tensor without = x.clone(), only = baseline.clone();
      for (size_t i = 0; i < count; ++i) {
        without[order[i]].copy_(baseline[order[i]]);
        only[order[i]].copy_(x[order[i]]);
      }
      points.push_back(without), points.push_back(only);
    }
  const Tensor p = log_prob(at::stack(points)).to(at::kDouble).exp().to(at::kCPU);
  const double full = p[0].item<double>();
  std::vector<Erasure> result(orders.size());
  int64_t row = 1;
  for (Erasure& erasure : result)
    for (size_t share = 0; share < shares.size(); ++share, row += 2) {
      erasure.comprehensiveness.push_back(full - p[row].item<double>());
      erasure.sufficiency.push_back(full - p[row + 1].item<double>());
    }
  return result;
}

// What replacing each token's row by the baseline's takes from F: [T].
Tensor single_effects(const Scalar& f, const Tensor& x, const Tensor& baseline) {
  std::vector<Tensor> points{x};
  for (int64_t t = 0; t < x.size(0); ++t) {
    points.push_back(x.clone());
    points.back()[t].copy_(baseline[t]);
  }
  const Tensor values = f(at::stack(points));
  return values[0] - values.narrow(0, 1, x.size(0));
}

std::vector<std::vector<int64_t>> orders_of(const Tensor& scores, uint64_t seed, uint64_t item) {
  std::vector<int64_t> order(size_t(scores.size(0)));
  std::iota(order.begin(), order.end(), int64_t{0});
  std::vector<std::vector<int64_t>> result{order};
  const auto at = scores.to(at::kDouble).contiguous();
  const double* score = at.data_ptr<double>();
  std::stable_sort(result[0].begin(), result[0].end(), [&](int64_t a, int64_t b) { return score[a] > score[b]; });
  for (int r = 0; r < random_orders; ++r) {
    Rng(seed, item * random_orders + uint64_t(r)).shuffle(order);
    result.push_back(order);
  }
  return result;
}

// Of the subject's tokens against the other tokens: mean |score| of each as a share of the item's total.
void add_subject(const AnalysisInput& input, const KnownItem& item, const Tensor& scores, Columns& columns) {
  const auto place = tokens_of(input.model, {item.prompt, {}, input.style.tokens()}, {"subject", item.fact->subject});
  const int64_t n = scores.size(0);
  if (!place || place->second - place->first + 1 >= n) return;
  const int64_t width = place->second - place->first + 1;
  const Tensor size = scores.abs() / scores.abs().sum().clamp_min(1e-12);
  const double inside = size.narrow(0, place->first, width).sum().item<double>();
  const int64_t top = scores.argmax().item<int64_t>();
  columns["subject_share_per_token"].push_back(inside / double(width));
  columns["other_share_per_token"].push_back((1 - inside) / double(n - width));
  columns["subject_above_others"].push_back(inside / double(width) > (1 - inside) / double(n - width));
  columns["top_token_in_subject"].push_back(top >= place->first && top <= place->second);
  columns["top_token_in_subject_by_chance"].push_back(double(width) / double(n));
}

void add_erasure(const std::vector<Erasure>& curves, Columns& columns) {
  const auto add = [&](const std::string& name, std::vector<double> Erasure::*which, double sign) {
    double random = 0;
    for (int r = 1; r <= random_orders; ++r) random += stats::mean_of(curves[size_t(r)].*which) / random_orders;
    const double own = stats::mean_of(curves[0].*which);
    columns[name].push_back(own);
    columns[name + "_random"].push_back(random);
    columns[name + "_better_than_random"].push_back(sign * (own - random));
  };
  add("comprehensiveness", &Erasure::comprehensiveness, 1), add("sufficiency", &Erasure::sufficiency, -1);
}

AnalysisResult of_tokens(const AnalysisInput& input, const std::vector<KnownItem>& items, const Json& params) {
  const bool embedding = params.at("of") == "embeddings";
  const int64_t layers = input.model.config.n_layers,
                layer = embedding ? 0
                                  : std::min(layers - 1,
                                             int64_t(std::lround(params.at("depth").get<double>() * double(layers))));
  const auto x = entering(input, items, layer);
  const auto x0 = baselines(input, items, x, layer, params.at("baseline"));
  const IntegrationOptions line{params.at("steps"), params.at("most_steps"), params.at("gap")};
  Columns columns;
  std::vector<double> gaps, steps;
  std::vector<Tensor> all;
  std::vector<int64_t> offsets{0};
  const at::NoGradGuard no_gradients;  // but inside of an attribution
  for (size_t i = 0; i < items.size(); ++i) {
    if (input.progress) input.progress("attributions", i, items.size(), "");
    if (!x0[i].defined()) continue;
    const Scalar f = of_layer(input.model, items[i].tokens, layer, items[i].answer, input.compute),
                 log_prob = of_layer(input.model, items[i].tokens, layer, {items[i].answer.wanted}, input.compute);
    const Attribution found = params.at("rule") == "integrated" ? integrated_gradients(f, x[i], x0[i], line)
                                                                : gradient_times_input(f, x[i], x0[i]);
    const Tensor scores = found.scores.sum(1);  // [T]
    gaps.push_back(found.gap()), steps.push_back(double(found.steps));
    add_subject(input, items[i], scores, columns);
    add_erasure(erase(log_prob, x[i], x0[i], orders_of(scores, input.seed, i)), columns);
    const double rank = stats::spearman(doubles(scores), doubles(single_effects(f, x[i], x0[i])));
    if (std::isfinite(rank)) columns["rank_correlation_with_single_patches"].push_back(rank);
    all.push_back(scores);
    offsets.push_back(offsets.back() + scores.size(0));
  }
  if (all.empty())
    fail("integrated-gradients",
         "no item has a baseline: a corrupt prompt is one of the same relation and length with another answer; give "
         "more facts, or take another baseline");
  Json table = numbers(columns, input.seed);
  table["baseline"] = params.at("baseline");
  table["layer"] = layer;
  table["items"] = all.size();
  table["completeness"] = completeness(gaps, steps, params.at("gap"));
  return {table, {{"scores", at::cat(all)}, {"offsets", at::tensor(at::ArrayRef<int64_t>(offsets), at::kLong)}}};
}

AnalysisResult run(const AnalysisInput& input, const Json& params) {
  auto items = evidence::known_items(input, params.at("max_items"));
  if (params.at("baseline") == "corrupt") evidence::find_partners(items);
  if (params.at("against") == "corrupt") evidence::against_partners(items);
  if (params.at("against") == "none")
    for (KnownItem& item : items) item.answer.other = -1;
  return of_tokens(input, items, params);
}

const Register<AnalysisEntry> entry{
    {.card = {.id = "integrated-gradients",
              .family = "inside",
              .title = "Integrated gradients",
              .paper = "arXiv 1703.01365",
              .sentence = "Attributes an answer's logit to the prompt's tokens at any layer, and shows "
                          "what is left of the answer without them.",
              .params = {{"of", "embeddings", "what is attributed to", -1e300, 1e300, {"embeddings", "layer"}},
                         {"depth", 0.5, "of=layer: the states that enter this share of the depth", 0, 1},
                         {"rule",
                          "integrated",
                          "the line from the baseline, or its last point alone",
                          -1e300,
                          1e300,
                          {"integrated", "gradient-x-input"}},
                         {"baseline",
                          "mean",
                          "mean embedding (or state), zero, or another fact's prompt as long",
                          -1e300,
                          1e300,
                          {"mean", "zero", "corrupt"}},
                         {"against",
                          "runner-up",
                          "the alternative whose logit is subtracted; none: log-probability",
                          -1e300,
                          1e300,
                          {"runner-up", "corrupt", "none"}},
                         {"steps", 32, "points of the line at first", 1, 4096},
                         {"most_steps", 512, "points at most: they are doubled until the gap is small enough", 1,
                          65536},
                         {"gap", 0.05, "largest share of F's change that the attribution may miss", 0, 1},
                         {"max_items", 150, "facts asked, drawn by the seed", 1, 100000}},
              .example = "ken inside integrated-gradients max_items=40",
              .cost = Cost::seconds},
     .run = run}};

}  // namespace
}  // namespace ken::readout::integrated_gradients_file
