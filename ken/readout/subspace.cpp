// Interchange interventions through a frozen model: only the changed row runs, over cached keys and values.
#include "ken/readout/subspace.h"

#include <numeric>

#include "ken/base/error.h"
#include "ken/base/rng.h"
#include "ken/model/partial.h"
#include "ken/readout/adam.h"
#include "ken/readout/collect.h"

namespace ken::readout {
namespace {

constexpr size_t max_pass_rows = 128;  // of changed rows in one pass without gradients

// The orthogonal factor of a [d, r] matrix with few columns, by Gram-Schmidt: differentiable, and the first column
// keeps its direction.
Tensor orthonormal(const Tensor& a) {
  std::vector<Tensor> columns;
  for (int64_t k = 0; k < a.size(1); ++k) {
    Tensor u = a.select(1, k);
    for (const Tensor& before : columns) u = u - before * (before * u).sum();
    columns.push_back(u / u.square().sum().sqrt().clamp_min(1e-12));
  }
  return at::stack(columns, 1);
}

Tensor swapped(const Tensor& basis, const Tensor& h, const Tensor& source, const std::vector<int64_t>& axes) {
  // the direction of each row's own axis: [n, d]
  const Tensor u = basis.t().index_select(0, at::tensor(at::ArrayRef<int64_t>(axes), at::kLong).to(basis.device()));
  return h + u * (u * (source - h)).sum(1, true);
}

// Some swaps as the tensors of one pass.
struct Slice {
  std::vector<size_t> bases;
  std::vector<int64_t> axes, base_rows, source_rows, answers;

  Slice(const std::vector<Swap>& swaps, const std::vector<size_t>& order, size_t first, size_t last) {
    for (size_t i = first; i < last; ++i) {
      const Swap& swap = swaps[order[i]];
      bases.push_back(swap.base);
      axes.push_back(swap.axis);
      base_rows.push_back(int64_t(swap.base));
      source_rows.push_back(int64_t(swap.source));
      answers.push_back(swap.answer);
    }
  }
  Tensor logits(Interchanges& data, int64_t layer, const Tensor& basis) const {
    const auto rows = [&](const std::vector<int64_t>& which) {
      return data.states(layer).index_select(0, at::tensor(at::ArrayRef<int64_t>(which), at::kLong));
    };
    return data.logits(layer, bases, swapped(basis, rows(base_rows), rows(source_rows), axes));
  }
  Tensor loss(const Tensor& logits) const {  // [n]
    const Tensor wanted = at::tensor(at::ArrayRef<int64_t>(answers), at::kLong).to(logits.device()).unsqueeze(1);
    return -at::log_softmax(logits, 1).gather(1, wanted).squeeze(1);
  }
};

std::vector<size_t> in_order(size_t n) {
  std::vector<size_t> order(n);
  std::iota(order.begin(), order.end(), size_t{0});
  return order;
}

void check_swaps(const std::vector<Swap>& swaps, size_t prompts, int64_t rank) {
  for (const Swap& swap : swaps)
    if (swap.base >= prompts || swap.source >= prompts || swap.axis < 0 || swap.axis >= rank)
      fail("subspace", "a swap names prompts {} and {} of {} and axis {} of {}", swap.base, swap.source, prompts,
           swap.axis, rank);
}

Tensor random_matrix(int64_t d, int64_t rank, uint64_t seed) {
  Rng rng(seed, 0x5ab5);
  Tensor a = at::empty({d, rank}, at::kFloat);
  float* values = a.data_ptr<float>();
  for (int64_t i = 0; i < a.numel(); ++i) values[i] = float(rng.normal());
  return a / std::sqrt(double(d));
}

}  // namespace

Tensor Subspace::coordinates(const Tensor& h) const {
  if (h.dim() != 2 || h.size(1) != basis.size(0))
    fail("subspace", "'{}' reads rows of {} numbers; it was given {} dimensions, the last of {}", name, basis.size(0),
         h.dim(), h.dim() ? h.size(-1) : 0);
  return at::mm(h.to(at::kFloat), basis.to(h.device()));
}

model::Tap Subspace::setting(int64_t axis, double value) const {
  if (axis < 0 || axis >= basis.size(1))
    fail_usage("subspace", "'{}' has axes 0 to {}; it was asked to set {}", name, basis.size(1) - 1, axis);
  const Tensor u = basis.select(1, axis);
  return {model::point_name(model::Point::resid_post, layer), [u, value](const Tensor& x, const model::Site&) {
            const Tensor own = u.to(x.device()), row = x.narrow(0, x.size(0) - 1, 1).to(at::kFloat);
            const Tensor set = row + own * (value - at::mv(row, own)).unsqueeze(1);
            return std::optional<Tensor>(at::cat({x.narrow(0, 0, x.size(0) - 1), set.to(x.scalar_type())}));
          }};
}

Interchanges::Interchanges(const model::Model& model, const std::vector<std::vector<int32_t>>& prompts,
                           const std::vector<Swap>& swaps, const std::vector<int64_t>& layers, nn::Compute compute,
                           const Progress& progress)
    : model_(model), compute_(compute), cache_(model::make_cache(model, compute)), sequences_(prompts.size(), -1) {
  for (const int64_t layer : layers) {
    if (layer < 0 || layer >= model.config.n_layers)
      fail_usage("subspace", "layer {} is none of the model's layers 0 to {}", layer, model.config.n_layers - 1);
    states_[layer] = at::zeros({int64_t(prompts.size()), model.config.d_model}, at::kFloat);
  }
  for (const auto& prompt : prompts) {
    if (prompt.size() < 2) fail("subspace", "a prompt has {} tokens; an exchange needs 2 or more", prompt.size());
    last_.push_back(prompt.back());
  }
  for (const Swap& swap : swaps)
    if (sequences_.at(swap.base) < 0) sequences_[swap.base] = cache_.open();
  for (const auto& [first, last] : passes(prompts.size(), [&](size_t i) { return prompts[i].size(); })) {
    read(prompts, first, last);
    if (progress) progress("interchange states", last, prompts.size(), "");
  }
}

void Interchanges::read(const std::vector<std::vector<int32_t>>& prompts, size_t first, size_t last) {
  const at::NoGradGuard no_gradients;
  std::vector<model::Row> rows;
  for (size_t i = first; i < last; ++i) rows.push_back({prompts[i], sequences_[i]});
  std::vector<model::Tap> taps;
  for (auto& entry : states_)
    taps.push_back({model::point_name(model::Point::resid_post, entry.first),
                    [to = entry.second, first](const Tensor& x, const model::Site& site) {
                      to[int64_t(first) + site.sequence].copy_(x[x.size(0) - 1]);
                      return std::optional<Tensor>();
                    }});
  const model::TapPlan plan(model_.config, std::move(taps));
  model::forward(model_, model::pack(rows, model_.config.vocab, &cache_),
                 {.compute = compute_, .taps = &plan, .cache = &cache_, .logits = model::ForwardOptions::Logits::none});
  for (size_t i = first; i < last; ++i)
    if (sequences_[i] >= 0) cache_.truncate(sequences_[i], int64_t(prompts[i].size()) - 1);
}

const Tensor& Interchanges::states(int64_t layer) const {
  const auto found = states_.find(layer);
  if (found == states_.end()) fail("subspace", "the states after block {} were not read; name the layer first", layer);
  return found->second;
}

Tensor Interchanges::logits(int64_t layer, const std::vector<size_t>& bases, const Tensor& states) {
  std::vector<model::Row> rows;
  for (const size_t base : bases) {
    if (sequences_.at(base) < 0) fail("subspace", "prompt {} was read as a source only; name it as a base", base);
    rows.push_back({{last_[base]}, cache_.fork(sequences_[base])});
  }
  const model::Start start{layer + 1, states};
  const Tensor logits = model::forward(model_, model::pack(rows, model_.config.vocab, &cache_),
                                       {.compute = compute_, .cache = &cache_}, &start)
                            .logits;
  for (const model::Row& row : rows) cache_.close(row.cached);
  return logits;
}

SubspaceFit fit_subspace(Interchanges& data, const std::vector<Swap>& swaps, const SubspaceOptions& options,
                         const Progress& progress) {
  const int64_t d = data.model().config.d_model;
  if (swaps.empty()) fail("subspace", "there is no pair of runs to exchange between");
  if (options.rank < 1 || options.rank > d || options.epochs < 1 || options.batch < 1)
    fail_usage("subspace", "rank {} of {}, {} epochs, batches of {}: each must be at least 1, and the rank at most {}",
               options.rank, d, options.epochs, options.batch, d);
  check_swaps(swaps, data.prompts(), options.rank);
  const at::AutoGradMode gradients(true);
  Tensor a = random_matrix(d, options.rank, options.seed);
  Adam adam;
  SubspaceFit fit;
  std::vector<size_t> order = in_order(swaps.size());
  const size_t batch = size_t(options.batch), steps = (order.size() + batch - 1) / batch * size_t(options.epochs);
  size_t step = 0;
  for (int64_t epoch = 0; epoch < options.epochs; ++epoch) {
    Rng(options.seed, uint64_t(epoch)).shuffle(order);
    double total = 0;
    for (size_t first = 0; first < order.size(); first += batch, ++step) {
      const Slice slice(swaps, order, first, std::min(order.size(), first + batch));
      Tensor leaf = a.detach().requires_grad_(true);
      const Tensor losses = slice.loss(slice.logits(data, options.layer, orthonormal(leaf)));
      losses.mean().backward();
      total += losses.sum().item<double>();
      // back to orthonormal columns, so that a step's length means the same throughout
      const at::NoGradGuard no_gradients;
      a = orthonormal(a + adam.step(leaf.grad(), options.rate * (1 - double(step) / double(steps))));
    }
    fit.losses.push_back(total / double(swaps.size()));
    if (progress) progress("interchange fit", size_t(epoch + 1), size_t(options.epochs), "");
  }
  fit.subspace = {
      "", "", options.layer, std::vector<std::string>(size_t(options.rank)), orthonormal(a), at::zeros({d})};
  return fit;
}

std::vector<int32_t> answers_after(Interchanges& data, const Subspace& subspace, const std::vector<Swap>& swaps) {
  const at::NoGradGuard no_gradients;
  check_swaps(swaps, data.prompts(), subspace.basis.size(1));
  std::vector<int32_t> result;
  for (size_t first = 0; first < swaps.size(); first += max_pass_rows) {
    const Slice slice(swaps, in_order(swaps.size()), first, std::min(swaps.size(), first + max_pass_rows));
    const Tensor best = slice.logits(data, subspace.layer, subspace.basis).argmax(1).to(at::kCPU);
    for (int64_t i = 0; i < best.size(0); ++i) result.push_back(int32_t(best[i].item<int64_t>()));
  }
  return result;
}

double swap_loss(Interchanges& data, const Subspace& subspace, const std::vector<Swap>& swaps) {
  const at::NoGradGuard no_gradients;
  check_swaps(swaps, data.prompts(), subspace.basis.size(1));
  double total = 0;
  for (size_t first = 0; first < swaps.size(); first += max_pass_rows) {
    const Slice slice(swaps, in_order(swaps.size()), first, std::min(swaps.size(), first + max_pass_rows));
    total += slice.loss(slice.logits(data, subspace.layer, subspace.basis)).sum().item<double>();
  }
  return swaps.empty() ? NAN : total / double(swaps.size());
}

Subspace random_subspace(int64_t d, int64_t rank, int64_t layer, uint64_t seed) {
  return {"random",      "", layer, std::vector<std::string>(size_t(rank)), orthonormal(random_matrix(d, rank, seed)),
          at::zeros({d})};
}

}  // namespace ken::readout
