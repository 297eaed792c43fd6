#include "ken/readout/prefix_classifier.h"

#include "ken/base/error.h"
#include "ken/readout/collect.h"
#include "ken/readout/probe_kinds.h"
#include "ken/stats/finite.h"
#include "ken/stats/stats.h"

namespace ken::readout {
namespace {

constexpr int parts = 4;  // of a continuation's length, each with its own heat

int part_of(int64_t index, int64_t length) {
  return int(std::min<int64_t>(parts - 1, index * parts / std::max<int64_t>(1, length)));
}

// [n, 2 d + 1] of tokens [n] behind states [n, d].
Tensor features(const model::Model& model, const Tensor& states, const Tensor& times, const Tensor& tokens) {
  const Tensor embedded = nn::rows_of(model.embed, tokens.to(model.device)).to(at::kCPU, at::kFloat);
  return at::cat({states.to(at::kCPU, at::kFloat), embedded, times.unsqueeze(1)}, 1);
}

// The row before each token of a continuation, with that token.
struct Prefixes {
  std::vector<Tensor> states;
  std::vector<int64_t> tokens, index;
  std::vector<int> labels;
  std::vector<std::string> groups;
};

// Texts [first, last) in one pass.
void add_prefixes(const model::Model& model, const std::vector<LabelledContinuation>& texts, size_t first, size_t last,
                  const std::string& point, nn::Compute compute, Prefixes& all) {
  const at::NoGradGuard none;
  std::vector<model::Row> rows;
  for (size_t i = first; i < last; ++i) {
    rows.push_back({texts[i].prompt});
    rows.back().tokens.insert(rows.back().tokens.end(), texts[i].continuation.begin(), texts[i].continuation.end() - 1);
  }
  model::ActivationCache cache;
  const model::TapPlan plan(model.config, cache.taps({point}));
  model::forward(model, model::pack(rows, model.config.vocab),
                 {.compute = compute, .taps = &plan, .logits = model::ForwardOptions::Logits::none});
  for (size_t i = first; i < last; ++i) {
    const auto& text = texts[i];
    const int64_t n = int64_t(text.continuation.size());
    all.states.push_back(cache.at(point, int(i - first))
                             .narrow(0, int64_t(text.prompt.size()) - 1, n)
                             .flatten(1)
                             .to(at::kCPU, at::kFloat));
    for (int64_t t = 0; t < n; ++t) {
      all.tokens.push_back(text.continuation[size_t(t)]), all.index.push_back(t);
      all.labels.push_back(text.has), all.groups.push_back(text.group);
    }
  }
}

// The heat under which held-out log-odds are likeliest, among a few.
double heat_of(const std::vector<double>& scores, const std::vector<int>& labels) {
  double best = 1, least = 1e300;
  for (const double heat : {0.5, 0.7, 1.0, 1.4, 2.0, 3.0, 5.0, 8.0}) {
    double loss = 0;
    for (size_t i = 0; i < scores.size(); ++i) {
      const double x = (labels[i] ? scores[i] : -scores[i]) / heat;
      loss += x > 0 ? std::log1p(std::exp(-x)) : -x + std::log1p(std::exp(x));
    }
    if (loss < least) least = loss, best = heat;
  }
  return best;
}

}  // namespace

Tensor PrefixClassifier::log_likely(const model::Model& model, const Tensor& state, int64_t index,
                                    const Tensor& tokens) const {
  const int64_t n = tokens.size(0);
  const Tensor times = at::full({n}, double(index) / double(length));
  const Tensor odds = probe.score(features(model, state.unsqueeze(0).expand({n, -1}), times, tokens));
  return at::log_sigmoid(odds / heat[size_t(part_of(index, length))]);
}

PrefixFit fit_prefix_classifier(const model::Model& model, std::vector<LabelledContinuation> texts,
                                const std::string& point, int64_t length, uint64_t seed, nn::Compute compute,
                                const Progress& progress) {
  std::erase_if(texts, [](const auto& text) { return text.continuation.empty(); });
  Prefixes all;
  double having = 0;
  for (const auto& text : texts) having += text.has;
  const auto tokens_of = [&](size_t i) { return texts[i].prompt.size() + texts[i].continuation.size(); };
  for (const auto& [first, last] : passes(texts.size(), tokens_of)) {
    add_prefixes(model, texts, first, last, point, compute, all);
    if (progress) progress("prefixes", last, texts.size(), "");
  }
  if (having < 8 || double(texts.size()) - having < 8)
    fail("prefixes",
         "{} of {} texts have the attribute; a classifier needs eight with and eight without: sample more, or "
         "change the length",
         having, texts.size());
  std::vector<double> times;
  for (const int64_t index : all.index) times.push_back(double(index) / double(length));
  const Tensor x =
      features(model, at::cat(all.states), at::tensor(times, at::kFloat), at::tensor(all.tokens, at::kLong));
  const Fit fit = fit_nets(x.unsqueeze(0), {all.labels, all.groups},
                           {.hidden = {64}, .batch = 256, .epochs = 12, .patience = 3, .folds = 3, .seed = seed});
  PrefixFit result{{point, length, fit.probes[0], {}},
                   {{"texts", texts.size()}, {"share", having / double(texts.size())}}};
  for (int part = 0; part < parts; ++part) {
    std::vector<double> scores;
    std::vector<int> labels;
    for (size_t i = 0; i < all.labels.size(); ++i) {
      if (part_of(all.index[i], length) != part) continue;
      scores.push_back(fit.scores[0][int64_t(i)].item<double>());
      labels.push_back(all.labels[i]);
    }
    result.classifier.heat.push_back(scores.empty() ? 1.0 : heat_of(scores, labels));
    const double area = scores.empty() ? NAN : stats::auroc(scores, labels);
    result.table["auroc_by_part"].push_back(stats::finite_or_null(area));
    result.table["heat_by_part"].push_back(result.classifier.heat.back());
  }
  return result;
}

Lever lever_of(const PrefixClassifier& c, const std::string& method) {
  Lever lever{.method = method, .model_sha256 = {}};
  lever.about = {{"point", c.point}, {"length", c.length}, {"bias", c.probe.bias}, {"heat", c.heat}};
  lever.tensors = {{"hidden.weight", c.probe.hidden.at(0).weight},
                   {"hidden.bias", c.probe.hidden.at(0).bias},
                   {"weight", c.probe.weight}};
  return lever;
}

PrefixClassifier prefix_classifier(const Lever& lever) {
  PrefixClassifier c{.point = lever.text("point"), .length = lever.integer("length", 1, 1 << 20)};
  c.probe.kind = "net", c.probe.bias = lever.number("bias");
  c.probe.weight = lever.at("weight", {-1});
  const int64_t width = c.probe.weight.size(0);
  c.probe.hidden = {{lever.at("hidden.weight", {width, -1}), lever.at("hidden.bias", {width})}};
  const Json heat = lever.about.value("heat", Json::array());
  for (const Json& one : heat) c.heat.push_back(one.is_number() && one.get<double>() > 0 ? one.get<double>() : 1.0);
  if (c.heat.size() != size_t(parts)) fail("prefixes", "{}: 'heat' must be {} numbers", lever.file, parts);
  return c;
}

void check(const PrefixClassifier& c, const model::Model& model) {
  if (c.probe.width() != 2 * model.config.d_model + 1)
    fail("prefixes",
         "the classifier's net takes {} numbers; a state and a token of {} have {}: it was fitted on another "
         "model",
         c.probe.width(), model.config.name, 2 * model.config.d_model + 1);
}

}  // namespace ken::readout
