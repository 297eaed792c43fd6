#include "ken/train/low_rank.h"

#include <algorithm>

#include "ken/base/error.h"
#include "ken/base/rng.h"

namespace ken::train {
namespace {

bool ends_with(const std::string& name, const std::string& end) {
  return name.size() > end.size() && name.ends_with(end) && name[name.size() - end.size() - 1] == '.';
}

bool chosen(const std::string& name, const LowRankOptions& options) {
  if (!name.starts_with("blocks.") || name.ends_with("W_router")) return false;
  return options.targets.empty() || std::any_of(options.targets.begin(), options.targets.end(),
                                                [&](const std::string& end) { return ends_with(name, end); });
}

void check_targets(model::Model& model, const LowRankOptions& options) {
  std::vector<std::string> known;
  for (const auto& [name, w] : model.matrices()) {
    const size_t part = name.starts_with("blocks.") ? name.find('.', 7) : std::string::npos;
    if (part != std::string::npos) known.push_back(name.substr(part + 1));
  }
  std::sort(known.begin(), known.end());
  known.erase(std::unique(known.begin(), known.end()), known.end());
  for (const std::string& end : options.targets) {
    const auto has = [&](const std::string& part) { return part == end || ends_with(part, end); };
    if (std::none_of(known.begin(), known.end(), has))
      fail_usage("train", "{}", unknown_name("matrix of a block", end, known));
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
