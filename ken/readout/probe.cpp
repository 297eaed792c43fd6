// Logistic regression by Newton's method, a factored Hessian serving several steps that L-BFGS corrects: batched
// products and Cholesky factors, halved steps where the loss would rise. The objective is scikit-learn's:
// C sum_i log(1 + exp(-y_i f(x_i))) + |w|^2 / 2, the bias free. Threads share the problems, not the products: a product
// of this size is too small to split, and threads that meet after each cost far more than they save on a busy machine.
#include "ken/readout/probe.h"

#include <algorithm>
#include <set>

#include "ken/base/error.h"
#include "ken/readout/index.h"
#include "ken/readout/scaler.h"

namespace ken::readout {
namespace {

constexpr int most_iterations = 90, most_halvings = 30;
constexpr int steps_a_factor = 3;                     // a factored Hessian costs as much as four steps
constexpr double small_step = 1e-9;                   // g . H^-1 g, relative to the loss
constexpr int64_t solved_at_once = int64_t{1} << 18;  // of features solved together: 2 MiB, which stay in a cache

using FoldRows = std::vector<int64_t>;

// w.z + b over standardised features z = (x - mean) * scale; a constant feature has scale 0.
struct Line {
  Tensor weight, bias;  // [P, d], [P]
};
// Matrices times vectors, [P, n, k] [P, k] -> [P, n]. A batch is multiplied as matrices are, which copies it in packets
// first: that takes as long as the product with one vector.
Tensor times_vector(const Tensor& a, const Tensor& v) {
  return a.size(0) == 1 ? at::mv(a[0], v[0]).unsqueeze(0) : at::bmm(a, v.unsqueeze(2)).squeeze(2);
}
Tensor row_loss(const Tensor& margins, const Tensor& y) { return at::softplus(margins) - y * margins; }

// The inverse Hessian as L-BFGS knows it (Nocedal 1980): a factored Hessian at the start, and the steps since with the
// changes of the gradient that they made. All [P, r + 1], one problem a row.
class Curvature {
 public:
  void begin(const Tensor& hessian) {
    factor_ = at::linalg_cholesky(hessian);
    ratio_ = shift_ = Tensor();
    steps_.clear();
  }
  // That of the same problem with other items, `share` of them, standardised apart: z' = (z - shift) / ratio.
  Curvature of_part(const Tensor& ratio, const Tensor& shift, double share) const {
    Curvature part;
    part.factor_ = factor_, part.ratio_ = ratio, part.shift_ = shift, part.share_ = share;
    return part;
  }
  // A problem that did not move, or whose change is lost in rounding, adds nothing.
  void add(const Tensor& step, const Tensor& change) {
    const Tensor product = (step * change).sum(1, true), usable = product > 1e-300;
    steps_.push_back({step, change, at::where(usable, product.reciprocal(), at::zeros_like(product))});
  }
  Tensor solve(const Tensor& gradient) const {
    Tensor q = gradient;
    std::vector<Tensor> share(steps_.size());
    for (size_t i = steps_.size(); i-- > 0;) {
      share[i] = steps_[i].weight * (steps_[i].step * q).sum(1, true);
      q = q - share[i] * steps_[i].change;
    }
    q = first(q);
    for (size_t i = 0; i < steps_.size(); ++i)
      q = q + steps_[i].step * (share[i] - steps_[i].weight * (steps_[i].change * q).sum(1, true));
    return q;
  }

 private:
  struct Step {
    Tensor step, change, weight;
  };
  // By the factor alone. A line w'.z' + b' is (w' / ratio).z + b' - (w' / ratio).shift.
  Tensor first(const Tensor& q) const {
    if (!ratio_.defined()) return at::cholesky_solve(q.unsqueeze(2), factor_).squeeze(2);
    const int64_t r = q.size(1) - 1;
    const Tensor bias = q.narrow(1, r, 1), there = at::cat({ratio_ * q.narrow(1, 0, r) + shift_ * bias, bias}, 1),
                 solved = at::cholesky_solve(there.unsqueeze(2), factor_).squeeze(2), w = solved.narrow(1, 0, r);
    return at::cat({ratio_ * w, solved.narrow(1, r, 1) + (shift_ * w).sum(1, true)}, 1) / share_;
  }

  Tensor factor_, ratio_, shift_;
  double share_ = 1;
  std::vector<Step> steps_;
};

// One batch of P problems: z [P, n, r + 1] with a last column of ones, y [n], ridge [r + 1]. The loss and its gradient
// are of double precision; the Hessian, where most of the work lies, is of single and made rarely: it only chooses the
// direction.
struct Newton {
  const Tensor &z, &y, &ridge;
  const Tensor narrow;  // z in f32

  Tensor margins(const Tensor& u) const { return times_vector(z, u); }
  Tensor loss(const Tensor& u, const Tensor& m) const { return row_loss(m, y).sum(1) + 0.5 * (ridge * u * u).sum(1); }
  Tensor gradient(const Tensor& u, const Tensor& p) const { return times_vector(z.transpose(1, 2), p - y) + ridge * u; }
  Tensor hessian(const Tensor& p) const {
    const Tensor weighted = narrow * (p * (1 - p)).to(at::kFloat).unsqueeze(2);
    Tensor result = at::bmm(narrow.transpose(1, 2), weighted).to(at::kDouble);
    result.diagonal(0, 1, 2).add_(ridge + 1e-9);  // where every item is sure, the bias has no curvature of its own
    return result;
  }

  // From u [P, r + 1], with a curvature that is known already or none. A problem that has arrived is frozen, so that
  // its result does not depend on the others.
  Tensor solve(Tensor u, const std::optional<Curvature>& known) const {
    Tensor m = margins(u), p = at::sigmoid(m), g = gradient(u, p), value = loss(u, m),
           active = at::ones({u.size(0)}, at::kBool);
    Curvature curvature = known.value_or(Curvature());
    for (int i = 0; i < most_iterations; ++i) {
      const bool fresh = i % steps_a_factor == 0 && !(known && i == 0);
      if (fresh) curvature.begin(hessian(p));
      const Tensor full = curvature.solve(g);
      active = active & ((g * full).sum(1) > small_step * (1 + value));
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
      const Tensor moved = (length > 0).unsqueeze(1), step = at::where(moved, next - u, at::zeros_like(u));
      u = u + step;
      m = at::where(moved, there, m);
      value = at::where(length > 0, reached, value);
      p = at::sigmoid(m);
      const Tensor before = g;
      g = gradient(u, p);
      curvature.add(step, g - before);
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
    z_ = at::cat({z, at::ones({z.size(0), z.size(1), 1}, at::kDouble)}, 2).contiguous();
    narrow_ = z_.to(at::kFloat);
    u_ = at::zeros({z_.size(0), z_.size(2)}, at::kDouble);
  }

  // Starts from the line of the strength before.
  Line fit(double strength) { return fit(strength, std::nullopt); }
  // A fit on other items, from which one on these starts: its line over raw features and, where the features are not
  // turned, its curvature.
  struct Neighbour {
    Line raw;
    std::optional<Curvature> curvature;
    Scaler scaler;
    int64_t items;
  };
  Neighbour neighbour(double strength, const Line& line) const {
    Neighbour result{raw(line), {}, scaler_, z_.size(1)};
    if (q_.defined()) return result;
    const Tensor ridge = ridge_of(strength);
    const Newton newton{z_, y_, ridge, narrow_};
    result.curvature.emplace();
    result.curvature->begin(newton.hessian(at::sigmoid(newton.margins(u_))));
    return result;
  }
  Line fit(double strength, const Neighbour& from) {
    begin(from.raw);
    if (q_.defined() || !from.curvature) return fit(strength, std::nullopt);
    const Tensor own = scaler_.scale.squeeze(1), its = from.scaler.scale.squeeze(1), both = (own > 0) & (its > 0);
    const Tensor ratio = at::where(both, its / at::where(both, own, at::ones_like(own)), at::zeros_like(own));
    const Tensor shift = (scaler_.mean - from.scaler.mean).squeeze(1) * its;
    return fit(strength, from.curvature->of_part(ratio, shift, double(z_.size(1)) / double(from.items)));
  }
  // The same line over features that are not standardised.
  Line raw(const Line& line) const {
    const Tensor weight = line.weight * scaler_.scale.squeeze(1);
    return {weight, line.bias - (weight * scaler_.mean.squeeze(1)).sum(1)};
  }
  // w.z without the bias: [P, n].
  Tensor project(const Tensor& x, const Line& line) const { return times_vector(scaler_(x), line.weight); }

 private:
  Tensor ridge_of(double strength) const {
    return at::cat({at::full({z_.size(2) - 1}, 1 / strength, at::kDouble), at::zeros({1}, at::kDouble)});
  }
  Line fit(double strength, const std::optional<Curvature>& known) {
    const int64_t r = z_.size(2) - 1;
    const Tensor ridge = ridge_of(strength);
    u_ = Newton{z_, y_, ridge, narrow_}.solve(u_, known);
    const Tensor u = u_.narrow(1, 0, r);
    return {q_.defined() ? times_vector(q_, u) : u.clone(), u_.select(1, r).clone()};
  }
  void begin(const Line& raw) {
    const Tensor scale = scaler_.scale.squeeze(1), moves = scale > 0;
    const Tensor weight = at::where(moves, raw.weight / at::where(moves, scale, at::ones_like(scale)), scale);
    const Tensor bias = raw.bias + (raw.weight * scaler_.mean.squeeze(1)).sum(1);
    const Tensor inside = q_.defined() ? times_vector(q_.transpose(1, 2), weight) : weight;
    u_ = at::cat({inside, bias.unsqueeze(1)}, 1);
  }

  Scaler scaler_;
  Tensor y_, z_, narrow_, q_, u_;
};

// The folds that hold items, each with its items.
std::vector<FoldRows> folds_of(const std::vector<std::string>& groups, const FitOptions& options) {
  const auto fold = stats::grouped_folds(groups, options.folds, options.seed);
  std::vector<FoldRows> folds(size_t(options.folds), FoldRows());
  for (size_t i = 0; i < fold.size(); ++i) folds[size_t(fold[i])].push_back(int64_t(i));
  std::erase_if(folds, [](const FoldRows& rows) { return rows.empty(); });
  const size_t least = options.strengths.size() > 1 ? 3 : 2;  // choosing the strength leaves two folds out
  if (folds.size() < least)
    fail("probe", "the items' groups fill {} of {} folds, but {} are needed; give items of more groups", folds.size(),
         options.folds, least);
  return folds;
}

struct Problem {
  Tensor x, y;  // [P, n, d], [n], f64
  const std::vector<FoldRows>& folds;
  const FitOptions& options;
  std::vector<Training::Neighbour> whole = {};  // by strength, of every item: where the fits without some folds start

  int64_t count() const { return x.size(0); }
  int64_t strengths() const { return int64_t(options.strengths.size()); }
  Tensor items(const FoldRows& rows) const { return x.index_select(1, index_of(rows)); }
  Tensor labels(const FoldRows& rows) const { return y.index_select(0, index_of(rows)); }

  // Every item outside the folds a and b.
  Training without(size_t a, size_t b) const {
    FoldRows rows;
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
  Tensor loss = at::zeros({int64_t(p.folds.size()), p.strengths(), p.count()}, at::kDouble);
  if (p.strengths() == 1) return loss;
  for (size_t k = 0; k < p.folds.size(); ++k) {
    for (size_t j = k + 1; j < p.folds.size(); ++j) {
      Training training = p.without(k, j);
      for (int64_t c = 0; c < p.strengths(); ++c) {
        const Line line = training.fit(p.options.strengths[size_t(c)], p.whole[size_t(c)]);
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
  Tensor result = at::zeros({p.count(), p.x.size(1)}, at::kDouble);
  for (size_t k = 0; k < p.folds.size(); ++k) {
    Training training = p.without(k, k);
    std::vector<Tensor> candidates;
    for (int64_t c = 0; c < p.strengths(); ++c) {
      const Line line = training.fit(p.options.strengths[size_t(c)], p.whole[size_t(c)]);
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
    const Line line = training.fit(strength);
    p.whole.push_back(training.neighbour(strength, line));
    const Line& raw = p.whole.back().raw;
    weights.push_back(raw.weight), offsets.push_back(raw.bias), biases.push_back(line.bias);
  }
  Tensor loss = at::zeros({p.strengths(), p.count()}, at::kDouble);
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

void check_probe_items(const Tensor& x, const std::vector<int>& labels, const std::vector<std::string>& groups,
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
  check_probe_items(x, labels, groups, options);
  FitOptions sorted = options;  // the strongest penalty first: each fit starts from the one before
  std::sort(sorted.strengths.begin(), sorted.strengths.end());
  const std::vector<FoldRows> folds = folds_of(groups, sorted);
  const Tensor y = at::tensor(at::ArrayRef<int>(labels), at::kInt).to(at::kDouble);
  const int64_t count = x.size(0), size = std::max<int64_t>(1, x.size(1) * (x.size(2) + 1));
  const int64_t chunk = std::max<int64_t>(1, solved_at_once / size), chunks = (count + chunk - 1) / chunk;
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
