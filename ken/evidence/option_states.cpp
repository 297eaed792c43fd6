#include "ken/evidence/option_states.h"

#include "ken/base/error.h"
#include "ken/readout/collect.h"

namespace ken::evidence {
namespace {

using at::Tensor;

class Reader {
 public:
  Reader(const model::Model& model, const std::vector<std::string>& points, Pool pool, nn::Compute compute)
      : model_(model), points_(points), pool_(pool), compute_(compute) {
    std::vector<model::Tap> taps;
    for (size_t p = 0; p < points.size(); ++p)
      taps.push_back({points[p], [this, p](const Tensor& x, const model::Site& site) -> std::optional<Tensor> {
                        copy(x, p, size_t(site.sequence));
                        return std::nullopt;
                      }});
    plan_ = model::TapPlan(model.config, std::move(taps));
  }
  Reader(const Reader&) = delete;

  // The prompts of a few items in one pass, then their options.
  void read(const std::vector<OptionTokens>& items, const std::vector<Tensor>& results) {
    nn::KvCache cache = model::make_cache(model_, compute_);
    std::vector<model::Row> prompts, rows;
    for (const auto& item : items) prompts.push_back({item.prompt, cache.open(), model::Phase::prefill});
    forward(prompts, nullptr, cache);
    int64_t tokens = 0;
    const auto flush = [&] {
      if (!rows.empty()) forward(rows, &plan_, cache);
      for (const auto& row : rows) cache.close(row.cached);
      rows.clear(), targets_.clear(), tokens = 0;
    };
    for (size_t i = 0; i < items.size(); ++i)
      for (size_t o = 0; o < items[i].options.size(); ++o) {
        const auto& option = items[i].options[o];
        if (tokens + int64_t(option.size()) > readout::max_pass_tokens) flush();
        rows.push_back({option, cache.fork(prompts[i].cached), model::Phase::prefill});
        targets_.push_back(results[i][int64_t(o)]);
        tokens += int64_t(option.size());
      }
    flush();
  }

 private:
  void forward(const std::vector<model::Row>& rows, const model::TapPlan* taps, nn::KvCache& cache) const {
    model::forward(model_, model::pack(rows, model_.config.vocab, &cache),
                   {.compute = compute_, .taps = taps, .cache = &cache, .logits = model::ForwardOptions::Logits::none});
  }
  void copy(const Tensor& x, size_t point, size_t sequence) const {
    if (x.dim() != 2 || x.size(1) != model_.config.d_model)
      fail_usage("states",
                 "{} does not hold one row of d_model = {} a token; read the residual stream or a module's output",
                 points_[point], model_.config.d_model);
    targets_[sequence][int64_t(point)].copy_(pool_ == Pool::last ? x[x.size(0) - 1] : x.mean(0));
  }

  const model::Model& model_;
  const std::vector<std::string>& points_;
  Pool pool_;
  nn::Compute compute_;
  model::TapPlan plan_;
  std::vector<Tensor> targets_;  // of the rows of the pass: [points, d_model]
};

}  // namespace

std::vector<Tensor> option_states(const model::Model& model, const std::vector<OptionTokens>& items,
                                  const std::vector<std::string>& points, Pool pool, nn::Compute compute,
                                  const Progress& progress) {
  const at::NoGradGuard no_gradients;
  Reader reader(model, points, pool, compute);
  std::vector<Tensor> results;
  for (const auto& [first, end] : readout::passes(items.size(), [&](size_t i) { return items[i].prompt.size(); })) {
    for (size_t i = first; i < end; ++i)
      results.push_back(
          at::zeros({int64_t(items[i].options.size()), int64_t(points.size()), model.config.d_model}, at::kFloat));
    reader.read({items.begin() + long(first), items.begin() + long(end)},
                {results.begin() + long(first), results.begin() + long(end)});
    if (progress) progress("answers", end, items.size(), "");
  }
  return results;
}

std::vector<Tensor> option_states(const model::Model& model, const std::vector<OptionItem>& items,
                                  const std::vector<std::string>& points, nn::Compute compute,
                                  const Progress& progress) {
  std::vector<OptionTokens> tokens;
  for (size_t i = 0; i < items.size(); ++i)
    tokens.push_back(option_tokens(model, items[i], fmt::format("item {}", i + 1)));
  return option_states(model, tokens, points, Pool::last, compute, progress);
}

}  // namespace ken::evidence
