#include "ken/readout/erasure.h"

#include <algorithm>

#include "ken/base/error.h"
#include "ken/readout/collect.h"
#include "ken/readout/shift.h"

namespace ken::readout {
namespace {

// The left singular vectors of x whose singular value is above the least, [d, r].
Tensor directions(const Tensor& x, double least, bool of_largest) {
  const auto [u, s, v] = at::linalg_svd(x, false);
  if (of_largest) least *= s.max().item<double>();
  return u.narrow(1, 0, (s > least).sum().item<int64_t>());
}

// Sigma_xz [d, k] of states and their one-hot classes.
Tensor cross_covariance(const Tensor& x, const std::vector<int>& classes, int64_t count) {
  Tensor z = at::zeros({x.size(0), count}, at::kDouble);
  for (int64_t i = 0; i < x.size(0); ++i) z[i][classes[size_t(i)]] = 1.0;
  return at::mm((x - x.mean(0)).t(), z - z.mean(0)) / double(x.size(0));
}

}  // namespace

Tensor Erasure::erased(const Tensor& h, double strength) const {
  const Tensor off = at::mm(h.to(at::kFloat) - mean.to(h.device()), right.to(h.device()).t());  // [n, r]
  return h.to(at::kFloat) - strength * at::mm(off, left.to(h.device()).t());
}

model::Tap Erasure::tap(double strength, bool last_row) const {
  return {point, [own = *this, strength, last_row](const Tensor& x, const model::Site& site) {
            if (x.dim() != 2 || x.size(1) != own.mean.numel())
              fail_usage("erasure", "{} is no row of {} numbers here, as it was where the concept was found", own.point,
                         own.mean.numel());
            const int64_t n = x.size(0), first = last_row ? n - 1 : site.positions[0] == 0 ? 1 : 0;
            if (first == n) return std::optional<Tensor>();
            const Tensor y = own.erased(x.narrow(0, first, n - first), strength).to(x.scalar_type());
            return std::optional(first == 0 ? y : at::cat({x.narrow(0, 0, first), y}));
          }};
}

Lever lever_of(const std::vector<Erasure>& all, bool last, const std::string& method) {
  Lever lever{.method = method, .about = {{"last", last}}};
  Json points = Json::array();
  for (size_t i = 0; i < all.size(); ++i) {
    points.push_back(all[i].point);
    lever.tensors[fmt::format("{}.mean", i)] = all[i].mean;
    lever.tensors[fmt::format("{}.left", i)] = all[i].left;
    lever.tensors[fmt::format("{}.right", i)] = all[i].right;
  }
  lever.about["points"] = points;
  return lever;
}

std::vector<Erasure> erasures(const Lever& lever) {
  const Json points = lever.about.value("points", Json()), last = lever.about.value("last", Json());
  if (!points.is_array() || points.empty() || !last.is_boolean())
    fail("lever", "{}: its description needs 'points', a list, and 'last', true or false; fit it again", lever.file);
  std::vector<Erasure> all;
  for (size_t i = 0; i < points.size(); ++i) {
    if (!points[i].is_string())
      fail("lever", "{}: 'points' must list names; it holds {}", lever.file, points[i].dump());
    const auto tensor = [&](const char* name, const std::vector<int64_t>& shape) {
      return lever.at(fmt::format("{}.{}", i, name), shape);
    };
    const Tensor mean = tensor("mean", {-1}), left = tensor("left", {mean.numel(), -1});
    all.push_back({points[i], mean, left, tensor("right", {left.size(1), mean.numel()})});
  }
  return all;
}

Erasure random_erasure(const Erasure& like, uint64_t seed) {
  std::vector<Tensor> columns;
  for (int64_t r = 0; r < like.left.size(1); ++r) {
    Tensor u = random_direction(like.mean.numel(), seed * 4096 + uint64_t(r)).to(at::kFloat);
    for (const Tensor& before : columns) u = u - before * before.dot(u);
    columns.push_back(u / u.norm());
  }
  const Tensor basis = columns.empty() ? like.left : at::stack(columns, 1);
  return {like.point, like.mean, basis, basis.t().contiguous()};
}

void Moments::add(const Tensor& rows) {
  const Tensor x = rows.to(at::kCPU, at::kDouble);
  if (!sum.defined())
    sum = at::zeros({x.size(1)}, at::kDouble), squares = at::zeros({x.size(1), x.size(1)}, at::kDouble);
  n += double(x.size(0));
  sum += x.sum(0);
  squares.addmm_(x.t(), x);
}

Tensor Moments::covariance() const {
  const Tensor sample = squares / n - at::outer(mean(), mean());
  const double d = double(sample.size(0)), trace = sample.trace().item<double>(),
               spread = sample.square().sum().item<double>() - trace * trace / d;  // 0 where all variances are equal
  const double off = spread > 1e-12 * trace * trace ? std::clamp(trace * trace / (n * spread), 0.0, 1.0) : 0;
  return (1 - off) * sample + off * trace / d * at::eye(sample.size(0), at::kDouble);
}

Erasure fit_erasure(const Tensor& states, const std::vector<int>& classes, const ErasureOptions& options,
                    const Moments& erased) {
  const int64_t n = states.size(0), count = classes.empty() ? 0 : 1 + *std::max_element(classes.begin(), classes.end());
  if (n != int64_t(classes.size()) || n < 2 || count < 2)
    fail("erasure", "{} states with {} labels of {} classes: as many of both, and 2 classes, are needed", n,
         classes.size(), count);
  Moments all = erased;
  if (all.n == 0) all.add(states);
  const Tensor cross = cross_covariance(states.to(at::kDouble), classes, count);
  Erasure result{.mean = all.mean().to(at::kFloat)};
  if (options.kind == ErasureKind::orthogonal) {
    const Tensor basis = directions(cross, options.tolerance, true).to(at::kFloat);
    result.left = basis.contiguous(), result.right = basis.t().contiguous();
    return result;
  }
  const auto [values, vectors] = at::linalg_eigh(all.covariance());
  const Tensor kept = values > 1e-12 * values.max();
  const Tensor root = at::where(kept, values.clamp_min(0).sqrt(), at::zeros_like(values));
  const Tensor inverse = at::where(kept, 1 / values.clamp_min(1e-300).sqrt(), at::zeros_like(values));
  const Tensor whiten = at::mm(vectors * inverse, vectors.t()), unwhiten = at::mm(vectors * root, vectors.t());
  // The variance of what is left, tr(Sigma) - tr(P Sigma), never exceeds what there was.
  const Tensor basis = directions(at::mm(whiten, cross), options.tolerance, false);
  result.left = at::mm(unwhiten, basis).to(at::kFloat);
  result.right = at::mm(basis.t(), whiten).to(at::kFloat);
  return result;
}

void read_rows(const model::Model& model, const std::vector<Rows>& all, const std::string& point,
               std::vector<model::Tap> taps, nn::Compute compute,
               const std::function<void(size_t index, const Tensor& rows)>& read) {
  const at::NoGradGuard no_gradients;
  size_t first = 0;
  taps.push_back({point, [&](const Tensor& x, const model::Site& site) {
                    const size_t index = first + size_t(site.sequence);
                    const int64_t from = std::min(int64_t(all[index].first), x.size(0) - 1);
                    read(index, x.narrow(0, from, x.size(0) - from).to(at::kFloat).cpu());
                    return std::optional<Tensor>();
                  }});
  const model::TapPlan plan(model.config, std::move(taps));
  for (const auto& pass : passes(all.size(), [&](size_t i) { return all[i].tokens.size(); })) {
    first = pass.first;
    std::vector<model::Row> rows;
    for (size_t i = pass.first; i < pass.last; ++i) rows.push_back({all[i].tokens});
    model::forward(model, model::pack(rows, model.config.vocab),
                   {.compute = compute, .taps = &plan, .logits = model::ForwardOptions::Logits::none});
  }
}

Tensor last_states(const model::Model& model, const std::vector<std::vector<int32_t>>& prompts,
                   const std::string& point, const std::vector<model::Tap>& taps, nn::Compute compute) {
  std::vector<Rows> all;
  for (const auto& prompt : prompts) all.push_back({prompt, prompt.size() - 1});
  std::vector<Tensor> found(prompts.size());
  read_rows(model, all, point, taps, compute, [&](size_t i, const Tensor& rows) { found[i] = rows[0].clone(); });
  return at::stack(found);
}

}  // namespace ken::readout
