// Logistic regression by Newton's method (iteratively reweighted least squares): one batched product and one batched
// Cholesky factor an iteration, halved steps where the loss would rise. The objective is scikit-learn's:
// C sum_i log(1 + exp(-y_i f(x_i))) + |w|^2 / 2, the bias free. Threads share the problems, not the products: a product
// of this size is too small to split, and threads that meet after each cost far more than they save on a busy machine.
#include "ken/readout/probe.h"

#include <algorithm>
#include <set>

#include "ken/base/error.h"

namespace ken::readout {
namespace {

constexpr int most_iterations = 90, most_halvings = 30;
constexpr int steps_a_factor = 3;                     // a factored Hessian costs as much as four steps
constexpr double close_enough = 1e-8;                 // Newton decrement, relative to the loss
constexpr double close_by_old = 1e-10;                // the same by the Hessian of an earlier step
constexpr int64_t chunk_elements = int64_t{1} << 18;  // of features solved together: 2 MiB, which stay in a cache
constexpr double constant_feature = 1e-6;             // sd below this share of the magnitude is rounding

const auto wide = at::TensorOptions().dtype(at::kDouble);

using Rows = std::vector<int64_t>;

Tensor index_of(const Rows& rows) { return at::tensor(at::ArrayRef<int64_t>(rows), at::kLong); }

// w.z + b over standardised features z = (x - mean) * scale; a constant feature has scale 0.
struct Line {
  Tensor weight, bias;  // [P, d], [P]
};
struct Scaler {
  Tensor mean, scale;  // [P, 1, d]
  Tensor operator()(const Tensor& x) const { return (x - mean) * scale; }
};

Scaler fit_scaler(const Tensor& x) {
  const Tensor mean = x.mean(at::IntArrayRef{1}, true);
  const Tensor sd = (x - mean).square().mean(at::IntArrayRef{1}, true).sqrt();
  const Tensor moves = sd > x.abs().amax(at::IntArrayRef{1}, true) * constant_feature;
  return {mean, at::where(moves, sd.reciprocal(), at::zeros_like(sd))};
}

Tensor row_loss(const Tensor& margins, const Tensor& y) { return at::softplus(margins) - y * margins; }

// One batch of P problems: z [P, n, r + 1] with a last column of ones, y [n], ridge [r + 1]. The loss and its gradient
// are of double precision; the Hessian, where most of the work lies, is of single, and serves several steps: it only
// chooses the direction.
struct Newton {
  const Tensor &z, &y, &ridge;
  const Tensor narrow;  // z in f32

  Tensor margins(const Tensor& u) const { return at::bmm(z, u.unsqueeze(2)).squeeze(2); }
  Tensor loss(const Tensor& u, const Tensor& m) const { return row_loss(m, y).sum(1) + 0.5 * (ridge * u * u).sum(1); }

  // Cholesky factors of the Hessians at probabilities p.
  Tensor curvature(const Tensor& p) const {
    const Tensor weighted = narrow * (p * (1 - p)).to(at::kFloat).unsqueeze(2);
    Tensor hessian = at::bmm(narrow.transpose(1, 2), weighted).to(at::kDouble);
    hessian.diagonal(0, 1, 2).add_(ridge + 1e-9);  // where every item is sure, the bias has no curvature of its own
    return at::linalg_cholesky(hessian);
  }

  // From u [P, r + 1]. A problem that has arrived is frozen, so that its result does not depend on the others.
  Tensor solve(Tensor u) const {
    Tensor m = margins(u), value = loss(u, m), active = at::ones({u.size(0)}, at::kBool), factor;
    for (int i = 0; i < most_iterations; ++i) {
      const Tensor p = at::sigmoid(m);
      const bool fresh = i % steps_a_factor == 0;
      if (fresh) factor = curvature(p);
      const Tensor gradient = at::bmm(z.transpose(1, 2), (p - y).unsqueeze(2)) + (ridge * u).unsqueeze(2);
      const Tensor full = at::cholesky_solve(gradient, factor).squeeze(2);
      const Tensor decrement = (gradient.squeeze(2) * full).sum(1);
      active = active & (decrement > (fresh ? close_enough : close_by_old) * (1 + value));
      if (!active.any().item<bool>()) break;
      Tensor length = active.to(at::kDouble), next, there, reached;
      for (int halving = 0; halving <= most_halvings; ++halving) {
        next = u - length.unsqueeze(1) * full;
        there = margins(next);
        reached = loss(next, there);
        const Tensor worse = active & ~(reached <= value);
        if (!worse.any().item<bool>()) break;
        length = at::where(worse, length * (halving == most_halvings ? 0.0 : 0.5), length);
      }
      if (fresh) active = active & (length > 0);
      u = at::where(active.unsqueeze(1), next, u);
      m = at::where(active.unsqueeze(1), there, m);
      value = at::where(active, reached, value);
    }
    return u;
  }
};

// A training set, standardised once and solved for every strength. With more features than items, the weight lies in
// the span of the items: z^T = q r, and the problem in the coordinates of q is the same one, of the size of the items.
class Training {
 public:
  Training(const Tensor& x, const Tensor& y) : scaler_(fit_scaler(x)), y_(y) {
    Tensor z = scaler_(x);
    if (z.size(2) > z.size(1)) {
      const auto [q, r] = at::linalg_qr(z.transpose(1, 2), "reduced");
      q_ = q;
      z = r.transpose(1, 2);
    }
    z_ = at::cat({z, at::ones({z.size(0), z.size(1), 1}, wide)}, 2).contiguous();
    narrow_ = z_.to(at::kFloat);
    u_ = at::zeros({z_.size(0), z_.size(2)}, wide);
  }

  // Starts from `start`, a line over raw features, or from the line of the strength before.
  Line fit(double strength, const Line* start = nullptr) {
    if (start) begin(*start);
    const int64_t r = z_.size(2) - 1;
    const Tensor ridge = at::cat({at::full({r}, 1 / strength, wide), at::zeros({1}, wide)});
    u_ = Newton{z_, y_, ridge, narrow_}.solve(u_);
    const Tensor u = u_.narrow(1, 0, r);
    return {q_.defined() ? at::bmm(q_, u.unsqueeze(2)).squeeze(2) : u.clone(), u_.select(1, r).clone()};
  }
  // The same line over features that are not standardised.
  Line raw(const Line& line) const {
    const Tensor weight = line.weight * scaler_.scale.squeeze(1);
    return {weight, line.bias - (weight * scaler_.mean.squeeze(1)).sum(1)};
  }
  // w.z without the bias: [P, n].
  Tensor project(const Tensor& x, const Line& line) const {
    return at::bmm(scaler_(x), line.weight.unsqueeze(2)).squeeze(2);
  }

 private:
  void begin(const Line& raw) {
    const Tensor scale = scaler_.scale.squeeze(1), moves = scale > 0;
    const Tensor weight = at::where(moves, raw.weight / at::where(moves, scale, at::ones_like(scale)), scale);
    const Tensor bias = raw.bias + (raw.weight * scaler_.mean.squeeze(1)).sum(1);
    const Tensor inside = q_.defined() ? at::bmm(q_.transpose(1, 2), weight.unsqueeze(2)).squeeze(2) : weight;
    u_ = at::cat({inside, bias.unsqueeze(1)}, 1);
  }

  Scaler scaler_;
  Tensor y_, z_, narrow_, q_, u_;
};

// The folds that hold items, each with its items.
std::vector<Rows> folds_of(const std::vector<std::string>& groups, const FitOptions& options) {
  const auto fold = stats::grouped_folds(groups, options.folds, options.seed);
  std::vector<Rows> folds(size_t(options.folds), Rows());
  for (size_t i = 0; i < fold.size(); ++i) folds[size_t(fold[i])].push_back(int64_t(i));
  std::erase_if(folds, [](const Rows& rows) { return rows.empty(); });
  const size_t least = options.strengths.size() > 1 ? 3 : 2;  // choosing the strength leaves two folds out
  if (folds.size() < least)
    fail("probe", "the items' groups fill {} of {} folds, but {} are needed; give items of more groups", folds.size(),
         options.folds, least);
  return folds;
}

struct Problem {
  Tensor x, y;  // [P, n, d], [n], f64
  const std::vector<Rows>& folds;
  const FitOptions& options;
  std::vector<Line> whole = {};  // by strength, fitted on every item: where the fits without some folds start

  int64_t count() const { return x.size(0); }
  int64_t strengths() const { return int64_t(options.strengths.size()); }
  Tensor items(const Rows& rows) const { return x.index_select(1, index_of(rows)); }
  Tensor labels(const Rows& rows) const { return y.index_select(0, index_of(rows)); }

  // Every item outside the folds a and b.
  Training without(size_t a, size_t b) const {
    Rows rows;
    for (size_t f = 0; f < folds.size(); ++f)
      if (f != a && f != b) rows.insert(rows.end(), folds[f].begin(), folds[f].end());
    std::sort(rows.begin(), rows.end());
    const Tensor chosen = labels(rows);
    const double positives = chosen.sum().item<double>();
    if (positives == 0 || positives == double(rows.size()))
      fail("probe",
           "without folds {} and {}, {} items of one class are left to train on; spread both classes over more "
           "groups",
           a, b, rows.size());
    return Training(items(rows), chosen);
  }
};

// [P, n] -> what the items of a fold lose in all: [P].
Tensor fold_loss(const Problem& p, const Training& training, const Line& line, size_t fold) {
  const Tensor margins = training.project(p.items(p.folds[fold]), line) + line.bias.unsqueeze(1);
  return row_loss(margins, p.labels(p.folds[fold])).sum(1);
}

// loss[k][c] [folds, strengths, P]: of strength c, on items outside fold k, by lines that saw neither k nor those
// items. A line without folds k and j serves both, so half of a nested cross-validation's fits are enough.
Tensor inner_losses(const Problem& p) {
  Tensor loss = at::zeros({int64_t(p.folds.size()), p.strengths(), p.count()}, wide);
  if (p.strengths() == 1) return loss;
  for (size_t k = 0; k < p.folds.size(); ++k) {
    for (size_t j = k + 1; j < p.folds.size(); ++j) {
      Training training = p.without(k, j);
      for (int64_t c = 0; c < p.strengths(); ++c) {
        const Line line = training.fit(p.options.strengths[size_t(c)], &p.whole[size_t(c)]);
        loss[int64_t(k)][c] += fold_loss(p, training, line, j);
        loss[int64_t(j)][c] += fold_loss(p, training, line, k);
      }
    }
  }
  return loss;
}

// Rows of candidates [strengths, P, ...] chosen by best [P] -> [P, ...].
Tensor choose(const Tensor& candidates, const Tensor& best) {
  std::vector<Tensor> result;
  for (int64_t p = 0; p < best.size(0); ++p) result.push_back(candidates[best[p].item<int64_t>()][p]);
  return at::stack(result);
}

// Held-out projections [P, n]; `loss` [strengths, P] receives what the outer lines lose on their own folds.
Tensor held_out(const Problem& p, Tensor& loss) {
  const Tensor best = inner_losses(p).argmin(1);  // [folds, P]; the stronger penalty of equals
  Tensor result = at::zeros({p.count(), p.x.size(1)}, wide);
  for (size_t k = 0; k < p.folds.size(); ++k) {
    Training training = p.without(k, k);
    std::vector<Tensor> candidates;
    for (int64_t c = 0; c < p.strengths(); ++c) {
      const Line line = training.fit(p.options.strengths[size_t(c)], &p.whole[size_t(c)]);
      loss[c] += fold_loss(p, training, line, k);
      candidates.push_back(training.project(p.items(p.folds[k]), line));
    }
    result.index_copy_(1, index_of(p.folds[k]), choose(at::stack(candidates), best[int64_t(k)]));
  }
  return result;
}

// Fills in the results of a chunk of problems, the first of which is `first`. A held-out score is w.z of its fold plus
// the bias of the final probe: with each fold's own bias, scores would fall where a fold holds more of class 1 than its
// training items, and a probe that reads nothing would lie below an AUROC of one half.
void fit_chunk(Problem p, int64_t first, Fit& fit) {
  Training training(p.x, p.y);
  std::vector<Tensor> weights, biases, offsets;
  for (const double strength : p.options.strengths) {
    const Line line = training.fit(strength), raw = training.raw(line);
    p.whole.push_back(raw);
    weights.push_back(raw.weight), offsets.push_back(raw.bias), biases.push_back(line.bias);
  }
  Tensor loss = at::zeros({p.strengths(), p.count()}, wide);
  const Tensor projected = held_out(p, loss), best = loss.argmin(0);
  const auto chosen = [&](const std::vector<Tensor>& of) { return choose(at::stack(of), best); };
  const Tensor weight = chosen(weights), bias = chosen(biases), offset = chosen(offsets);
  fit.scores.narrow(0, first, p.count()).copy_(projected + bias.unsqueeze(1));
  for (int64_t i = 0; i < p.count(); ++i) {
    fit.probes[size_t(first + i)].weight = weight[i].to(at::kFloat);
    fit.probes[size_t(first + i)].bias = offset[i].item<double>();
    fit.strength[size_t(first + i)] = p.options.strengths[size_t(best[i].item<int64_t>())];
  }
}

void check(const Tensor& x, const std::vector<int>& labels, const std::vector<std::string>& groups,
           const FitOptions& options) {
  const size_t n = labels.size();
  if (x.dim() != 3 || x.size(1) != int64_t(n) || groups.size() != n)
    fail("probe", "{} labels and {} groups for features of {} dimensions; x must be [problems, items, d]", n,
         groups.size(), x.dim());
  if (options.strengths.empty() || options.folds < 2)
    fail_usage("probe", "{} strengths and {} folds; give at least 1 and 2", options.strengths.size(), options.folds);
  for (const double strength : options.strengths)
    if (!(strength > 0 && std::isfinite(strength))) fail_usage("probe", "strength {} is not above 0", strength);
  for (const int label : labels)
    if (label != 0 && label != 1) fail("probe", "label {} is not 0 or 1", label);
  if (std::set<int>(labels.begin(), labels.end()).size() != 2)
    fail("probe", "all {} items are of one class; a probe needs both", n);
  if (!at::isfinite(x).all().item<bool>()) fail("probe", "a feature is not finite; check the model's weights");
}

}  // namespace

Fit fit_logistic(const Tensor& x, const std::vector<int>& labels, const std::vector<std::string>& groups,
                 const FitOptions& options) {
  const at::NoGradGuard no_gradients;
  check(x, labels, groups, options);
  FitOptions sorted = options;  // the strongest penalty first: each fit starts from the one before
  std::sort(sorted.strengths.begin(), sorted.strengths.end());
  const std::vector<Rows> folds = folds_of(groups, sorted);
  const Tensor y = at::tensor(at::ArrayRef<int>(labels), at::kInt).to(at::kDouble);
  const int64_t count = x.size(0), size = std::max<int64_t>(1, x.size(1) * (x.size(2) + 1));
  const int64_t chunk = std::max<int64_t>(1, chunk_elements / size), chunks = (count + chunk - 1) / chunk;
  Fit fit{at::empty({count, x.size(1)}, at::kFloat), std::vector<Probe>(size_t(count)),
          std::vector<double>(size_t(count))};
  at::parallel_for(0, chunks, 1, [&](int64_t begin, int64_t end) {
    const at::NoGradGuard none_here;  // the mode belongs to a thread
    for (int64_t c = begin; c < end; ++c) {
      const Tensor some = x.narrow(0, c * chunk, std::min(chunk, count - c * chunk)).to(at::kCPU, at::kDouble);
      fit_chunk({some, y, folds, sorted}, c * chunk, fit);
    }
  });
  return fit;
}

}  // namespace ken::readout
