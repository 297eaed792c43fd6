// The squared hinge is smooth but for its second derivative: Newton's method on the items inside the margin (Keerthi
// and DeCoste 2005) ends in a few steps. Their Hessian is factored where it is small; elsewhere conjugate gradients use
// its products alone, as in LIBLINEAR's trust-region Newton (Lin, Weng and Keerthi 2008).
#include "ken/readout/svm.h"

#include <algorithm>
#include <set>

#include "ken/base/error.h"
#include "ken/base/select.h"
#include "ken/readout/scaler.h"
#include "ken/stats/classes.h"

namespace ken::readout {
namespace {

constexpr int most_steps = 100, svm_halvings = 40, most_products = 400;
constexpr int64_t largest_factor = 1024;  // features up to which the Hessian is factored
constexpr double small_gradient = 1e-7;   // of the first gradient
constexpr double free_ridge = 1e-6;       // of the bias, and of directions that no item bends

// [d] each, of x [n, d].
Scaler scaler_of(const Tensor& x) {
  const Scaler one = fit_scaler(x.unsqueeze(0));
  return {one.mean.view(-1), one.scale.view(-1)};
}

// z [n, d + 1] with a last column of ones, y [n] in {-1, 1}, cost [n] = C s_i.
struct SquaredHinge {
  const Tensor &z, &y, &cost, &ridge;

  Tensor slack(const Tensor& u) const { return (1 - y * at::mv(z, u)).clamp_min(0); }
  double loss(const Tensor& u, const Tensor& slack) const {
    return (0.5 * (ridge * u * u).sum() + (cost * slack * slack).sum()).item<double>();
  }
  Tensor gradient(const Tensor& u, const Tensor& slack) const {
    return ridge * u - 2 * at::mv(z.t(), cost * y * slack);
  }
  Tensor newton_step(const Tensor& gradient, const Tensor& slack) const {
    const Tensor inside = (slack > 0).nonzero().squeeze(1), rows = z.index_select(0, inside),
                 weight = 2 * cost.index_select(0, inside);
    if (z.size(1) > largest_factor) return conjugate_gradients(gradient, rows, weight);
    // Single precision: it chooses the direction alone, and most of the work lies here.
    const Tensor narrow = rows.to(at::kFloat);
    Tensor hessian = at::mm(narrow.t(), narrow * weight.to(at::kFloat).unsqueeze(1)).to(at::kDouble);
    hessian.diagonal().add_(ridge);
    return at::cholesky_solve(gradient.unsqueeze(1), at::linalg_cholesky(hessian)).squeeze(1);
  }

 private:
  Tensor conjugate_gradients(const Tensor& gradient, const Tensor& rows, const Tensor& weight) const {
    Tensor x = at::zeros_like(gradient), r = gradient, p = r;
    double size = r.dot(r).item<double>();
    const double enough = 1e-6 * size;
    for (int i = 0; i < most_products && size > enough; ++i) {
      const Tensor hp = ridge * p + at::mv(rows.t(), weight * at::mv(rows, p));
      const double length = size / p.dot(hp).item<double>();
      x = x + length * p;
      r = r - length * hp;
      const double next = r.dot(r).item<double>();
      p = r + next / size * p;
      size = next;
    }
    return x;
  }
};

Tensor minimise(const SquaredHinge& problem, Tensor u) {
  Tensor slack = problem.slack(u);
  double loss = problem.loss(u, slack), first = -1;
  for (int i = 0; i < most_steps; ++i) {
    const Tensor gradient = problem.gradient(u, slack);
    const double size = gradient.norm().item<double>();
    if (first < 0) first = size;
    if (size <= small_gradient * (1 + first)) break;
    const Tensor step = problem.newton_step(gradient, slack);
    double length = 1;
    for (int halving = 0; halving <= svm_halvings; ++halving, length /= 2) {
      const Tensor next = u - length * step, there = problem.slack(next);
      const double reached = problem.loss(next, there);
      if (halving == svm_halvings) return u;  // rounding allows no better
      if (!(reached < loss)) continue;
      u = next, slack = there, loss = reached;
      break;
    }
  }
  return u;
}

Tensor share_of(const std::vector<int>& labels, int classes, bool balanced) {
  std::vector<double> count(size_t(classes), 0.0), shares;
  for (const int label : labels) count[size_t(label)] += 1;
  for (const int label : labels)
    shares.push_back(balanced ? 1 / (classes * count[size_t(label)]) : 1 / double(labels.size()));
  return at::tensor(at::ArrayRef<double>(shares), at::kDouble);
}

void check_classes(const Tensor& x, const std::vector<int>& labels, int classes, const char* where) {
  if (x.dim() != 2 || x.size(0) != int64_t(labels.size()))
    fail(where, "features of shape [{}] but {} labels; there must be one row for each label",
         fmt::join(x.sizes(), ", "), labels.size());
  std::vector<int64_t> count(size_t(classes), 0);
  for (const int label : labels) {
    if (label < 0 || label >= classes) fail(where, "a label is {}; labels are 0 to {}", label, classes - 1);
    ++count[size_t(label)];
  }
  for (int k = 0; k < classes; ++k)
    if (count[size_t(k)] == 0) fail(where, "no item of class {}; give items of every class", k);
  if (!at::isfinite(x).all().item<bool>()) fail(where, "a feature is not finite; leave such items out");
}

std::vector<int> signs(const Tensor& scores) {
  std::vector<int> result;
  for (int64_t i = 0; i < scores.size(0); ++i) result.push_back(scores.data_ptr<double>()[i] > 0);
  return result;
}

}  // namespace

Tensor Svm::score(const Tensor& x) const { return at::matmul(x.to(at::kDouble), weight) + bias; }

std::vector<Svm> fit_svm(const Tensor& x, const std::vector<int>& labels, const std::vector<double>& strengths,
                         bool balanced, const std::vector<Svm>& from) {
  const at::NoGradGuard no_gradients;
  check_classes(x, labels, 2, "svm");
  for (const double strength : strengths)
    if (!(strength > 0)) fail_usage("svm", "strength C is {}; give values above 0", strength);
  const Tensor features = x.to(at::kDouble);
  const Scaler scaler = scaler_of(features);
  const int64_t n = x.size(0), d = x.size(1);
  const Tensor z = at::cat({(features - scaler.mean) * scaler.scale, at::ones({n, 1}, at::kDouble)}, 1),
               y = 2 * at::tensor(at::ArrayRef<int>(labels), at::kInt).to(at::kDouble) - 1,
               ridge = at::cat({at::ones({d}, at::kDouble), at::full({1}, free_ridge, at::kDouble)}),
               shares = share_of(labels, 2, balanced);
  Tensor u = at::zeros({d + 1}, at::kDouble);
  std::vector<Svm> result;
  const Tensor sd = at::where(scaler.scale > 0, scaler.scale.reciprocal(), at::zeros_like(scaler.scale));
  for (const double strength : strengths) {
    const Tensor cost = strength * shares;
    if (from.size() == strengths.size()) {
      const Svm& near = from[result.size()];
      u = at::cat({near.weight * sd, (near.weight.dot(scaler.mean) + near.bias).view(1)});
    }
    u = minimise({z, y, cost, ridge}, u);
    const Tensor weight = u.narrow(0, 0, d) * scaler.scale;
    const double level = u[d].item<double>();
    result.push_back({weight, level - weight.dot(scaler.mean).item<double>(), strength, level});
  }
  return result;
}

SvmFit fit_svm(const Tensor& x, const std::vector<int>& labels, const std::vector<std::string>& groups,
               const SvmOptions& options) {
  const at::NoGradGuard no_gradients;
  check_classes(x, labels, 2, "svm");
  if (groups.size() != labels.size())
    fail("svm", "{} labels but {} groups; there must be one group for each item", labels.size(), groups.size());
  const auto fold = stats::grouped_folds(groups, options.folds, options.seed);
  const int64_t n = x.size(0), count = int64_t(options.strengths.size());
  const auto whole = fit_svm(x, labels, options.strengths, options.balanced);
  Tensor scores = at::zeros({count, n}, at::kDouble);  // held out, by strength
  std::vector<std::vector<int64_t>> of_fold(size_t(options.folds), std::vector<int64_t>());
  for (int64_t i = 0; i < n; ++i) of_fold[size_t(fold[size_t(i)])].push_back(i);
  for (int f = 0; f < options.folds; ++f) {
    std::vector<int64_t> train;
    for (int64_t i = 0; i < n; ++i)
      if (fold[size_t(i)] != f) train.push_back(i);
    const Tensor mine = at::tensor(at::ArrayRef<int64_t>(of_fold[size_t(f)]), at::kLong);
    if (mine.numel() == 0) continue;
    const auto machines = fit_svm(x.index_select(0, at::tensor(at::ArrayRef<int64_t>(train), at::kLong)),
                                  pick(labels, train), options.strengths, options.balanced, whole);
    for (size_t c = 0; c < machines.size(); ++c) {
      const double level = whole[c].level - machines[c].level;
      scores[int64_t(c)].index_copy_(0, mine, machines[c].score(x.index_select(0, mine)) + level);
    }
  }
  // The best strength on items outside a fold; the stronger penalty of equals. -1: on all.
  const auto best = [&](int left_out) {
    int64_t found = 0;
    double most = -1;
    std::vector<int64_t> rows;
    for (int64_t i = 0; i < n; ++i)
      if (fold[size_t(i)] != left_out) rows.push_back(i);
    for (int64_t c = 0; c < count; ++c) {
      const double value = stats::balanced_accuracy(pick(signs(scores[c].contiguous()), rows), pick(labels, rows));
      if (value > most) most = value, found = c;
    }
    return found;
  };
  SvmFit fit{std::vector<double>(size_t(n)), {}};
  for (int f = 0; f < options.folds; ++f) {
    const int64_t chosen = best(f);
    for (const int64_t i : of_fold[size_t(f)]) fit.scores[size_t(i)] = scores.data_ptr<double>()[chosen * n + i];
  }
  fit.machine = whole[size_t(best(-1))];
  return fit;
}

std::vector<SvmFit> fit_svms(const Tensor& x, const std::vector<int>& labels, const std::vector<std::string>& groups,
                             const SvmOptions& options) {
  std::vector<SvmFit> fits(size_t(x.size(0)), SvmFit());
  at::parallel_for(0, x.size(0), 1, [&](int64_t begin, int64_t end) {
    for (int64_t p = begin; p < end; ++p) fits[size_t(p)] = fit_svm(x[p], labels, groups, options);
  });
  return fits;
}

Tensor bag_means(const Tensor& values, const Tensor& valid) {
  const Tensor weight = valid.to(values.scalar_type()).unsqueeze(2);
  return (values * weight).sum(1) / weight.sum(1).clamp_min(1);
}

Tensor Softmax::probabilities(const Tensor& x) const {
  return at::softmax(at::mm(x.to(at::kDouble), weight.t()) + bias, 1);
}

// Newton's method; a ridge of 1e-6 holds what no item decides (a constant added to all classes, separable items).
Softmax fit_softmax(const Tensor& x, const std::vector<int>& labels, int classes, bool balanced) {
  const at::NoGradGuard no_gradients;
  check_classes(x, labels, classes, "softmax");
  constexpr double ridge = 1e-6;
  const Tensor features = x.to(at::kDouble);
  const Scaler scaler = scaler_of(features);
  const int64_t n = x.size(0), k = x.size(1), size = (k + 1) * classes;
  const Tensor z = at::cat({(features - scaler.mean) * scaler.scale, at::ones({n, 1}, at::kDouble)}, 1),
               s = share_of(labels, classes, balanced).unsqueeze(1),
               y = at::one_hot(at::tensor(at::ArrayRef<int>(labels), at::kInt).to(at::kLong), classes).to(at::kDouble);
  Tensor u = at::zeros({classes, k + 1}, at::kDouble);
  const auto loss = [&](const Tensor& at_u) {
    return (-(s * y * at::log_softmax(at::mm(z, at_u.t()), 1)).sum() + 0.5 * ridge * at_u.square().sum())
        .item<double>();
  };
  double value = loss(u);
  for (int i = 0; i < most_steps; ++i) {
    const Tensor p = at::softmax(at::mm(z, u.t()), 1);
    const Tensor gradient = at::mm((s * (p - y)).t(), z) + ridge * u;  // [classes, k + 1]
    if (gradient.abs().max().item<double>() < 1e-10) break;
    const Tensor bend =
        s.unsqueeze(2) * (at::diag_embed(p) - p.unsqueeze(2) * p.unsqueeze(1));  // [n, classes, classes]
    Tensor hessian = at::einsum("nab,ni,nj->aibj", {bend, z, z}).reshape({size, size});
    hessian.diagonal().add_(ridge);
    const Tensor step =
        at::cholesky_solve(gradient.reshape({size, 1}), at::linalg_cholesky(hessian)).view({classes, k + 1});
    double length = 1;
    while (length > 1e-9 && !(loss(u - length * step) < value)) length /= 2;
    if (length <= 1e-9) break;
    u = u - length * step;
    value = loss(u);
  }
  const Tensor weight = u.narrow(1, 0, k) * scaler.scale;
  return {weight, u.select(1, k) - at::mv(weight, scaler.mean)};
}

}  // namespace ken::readout
