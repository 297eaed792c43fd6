#include "ken/train/low_rank.h"

#include <algorithm>
#include <set>

#include "ken/base/error.h"
#include "ken/base/rng.h"
#include "ken/base/select.h"
#include "ken/model/arch.h"

namespace ken::train {
namespace {

// Whether a matrix' place in its block, such as mlp.experts.7.W_in, is meant by `target`: the same or its last parts.
bool is_meant(const std::string& part, const std::string& target) {
  return part == target || part.ends_with("." + target);
}

bool chosen(const std::string& name, const LowRankOptions& options) {
  const auto [layer, part] = model::split_name(name);
  if (layer < 0 || part == "mlp.W_router") return false;
  const auto& layers = options.layers;
  if (!layers.empty() && !is_in(layer, layers)) return false;
  const auto& targets = options.targets;
  return targets.empty() || std::any_of(targets.begin(), targets.end(),
                                        [&, &p = part](const std::string& target) { return is_meant(p, target); });
}

void check_targets(model::Model& model, const LowRankOptions& options) {
  std::set<std::string> known;
  for (const auto& [name, w] : model.matrices())
    if (const auto [layer, part] = model::split_name(name); layer >= 0) known.insert(part);
  for (const std::string& target : options.targets) {
    if (std::none_of(known.begin(), known.end(), [&](const std::string& part) { return is_meant(part, target); }))
      fail_usage("train", "{}", unknown_name("matrix of a block", target, {known.begin(), known.end()}));
  }
}

Tensor uniform(int64_t rows, int64_t columns, double bound, uint64_t seed, uint64_t stream) {
  Tensor x = at::empty({rows, columns}, at::kFloat);
  Rng rng(seed, stream);
  float* values = x.data_ptr<float>();
  for (int64_t i = 0; i < x.numel(); ++i) values[i] = float((2 * rng.uniform() - 1) * bound);
  return x;
}

}  // namespace

std::vector<Parameter> train_low_rank(model::Model& model, const LowRankOptions& options) {
  if (options.rank < 1) fail_usage("train", "a rank of {}; give at least 1", options.rank);
  check_targets(model, options);
  for (const int64_t layer : options.layers)
    if (layer < 0 || layer >= model.config.n_layers)
      fail_usage("train", "layer {} of an adapter; the model has layers 0 to {}", layer, model.config.n_layers - 1);
  freeze(model);
  std::vector<Parameter> result;
  uint64_t index = 0;
  for (auto& [name, w] : model.matrices()) {
    ++index;
    if (!chosen(name, options)) continue;
    if (w->low_a.defined()) fail("train", "{} has an overlay already; merge it or take it off first", name);
    const int64_t rank = std::min({options.rank, w->in, w->out});
    w->low_a = uniform(rank, w->in, 1 / std::sqrt(double(w->in)), options.seed, index).requires_grad_();
    w->low_b = at::zeros({w->out, rank}, at::kFloat).requires_grad_();
    result.push_back({name + ".low_a", w->low_a});
    result.push_back({name + ".low_b", w->low_b});
  }
  return result;
}

}  // namespace ken::train
