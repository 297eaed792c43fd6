// Logistic regression by Newton's method, a factored Hessian serving several steps that L-BFGS corrects, halved steps
// where the loss would rise. The objective is scikit-learn's: C sum_i log(1 + exp(-y_i f(x_i))) + |w|^2 / 2, the bias
// free. The fits of a cross-validation differ in the items left out and in the penalty alone, so they take their steps
// together: the margins of all are one product, and z is read once for all. Threads share the problems, not the
// products: a product of this size is too small to split, and threads that meet after each cost more than they save.
#include "ken/readout/probe.h"

#include <algorithm>
#include <numeric>
#include <set>

#include "ken/base/error.h"
#include "ken/readout/index.h"
#include "ken/readout/scaler.h"

namespace ken::readout {
namespace {

constexpr int most_iterations = 90, most_halvings = 30;
constexpr int steps_a_factor = 15;                     // a factored Hessian costs as much as many steps
constexpr double small_step = 1e-11;                   // g . H^-1 g, relative to the loss
constexpr int64_t margins_at_once = int64_t{1} << 21;  // fits times items: 16 MiB

using FoldRows = std::vector<int64_t>;

// F lines w.x + b over the same features: [F, d], [F].
struct Lines {
  Tensor weight, bias;
};
Tensor row_loss(const Tensor& margins, const Tensor& y) { return at::softplus(margins) - y * margins; }

// The inverse Hessian as L-BFGS knows it (Nocedal 1980): a factored Hessian at the start, and the steps since with the
// changes of the gradient that they made. All [F, r + 1], one fit a row.
class Curvature {
 public:
  Curvature() = default;
  // Row i begins with factors[of_row[i]].
  Curvature(std::vector<Tensor> factors, std::vector<size_t> of_row)
      : factors_(std::move(factors)), of_row_(std::move(of_row)) {}
  // A fit that did not move, or whose change is lost in rounding, adds nothing.
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
  void keep(const Tensor& rows) {
    std::vector<size_t> kept;
    for (int64_t i = 0; i < rows.size(0); ++i) kept.push_back(of_row_[size_t(rows[i].item<int64_t>())]);
    of_row_ = std::move(kept);
    for (Step& s : steps_)
      for (Tensor* t : {&s.step, &s.change, &s.weight}) *t = t->index_select(0, rows);
  }

 private:
  struct Step {
    Tensor step, change, weight;
  };
  // By the factors alone; neighbours of one factor are solved together.
  Tensor first(const Tensor& q) const {
    std::vector<Tensor> solved;
    for (size_t begin = 0, end; begin < of_row_.size(); begin = end) {
      for (end = begin + 1; end < of_row_.size() && of_row_[end] == of_row_[begin];) ++end;
      const Tensor some = q.narrow(0, int64_t(begin), int64_t(end - begin));
      solved.push_back(at::cholesky_solve(some.t(), factors_[of_row_[begin]]).t());
    }
    return at::cat(solved);
  }

  std::vector<Tensor> factors_;
  std::vector<size_t> of_row_;
  std::vector<Step> steps_;
};

// Standardised features and a last column of ones. With more features than items, the weight lies in the span of the
// items: z^T = q r, and the problem in the coordinates of q is the same one, of the size of the items.
struct Features {
  Scaler scaler;     // [1, d]
  Tensor turn;       // q [d, r], or none
  Tensor z, narrow;  // [n, r + 1] f64, f32

  explicit Features(const Tensor& x) : scaler(fit_scaler(x.unsqueeze(0))) {
    scaler.mean = scaler.mean[0], scaler.scale = scaler.scale[0];
    Tensor inside = scaler(x);
    if (inside.size(1) > inside.size(0)) {
      const auto [q, r] = at::linalg_qr(inside.t(), "reduced");
      turn = q, inside = r.t();
    }
    z = at::cat({inside, at::ones({x.size(0), 1}, at::kDouble)}, 1).contiguous();
    narrow = z.to(at::kFloat);
  }
  int64_t width() const { return z.size(1) - 1; }
  // u [F, r + 1] as lines over features that are not standardised, and back.
  Lines raw(const Tensor& u) const {
    const Tensor w = u.narrow(1, 0, width()), weight = (turn.defined() ? at::mm(w, turn.t()) : w) * scaler.scale;
    return {weight, u.select(1, width()) - (weight * scaler.mean).sum(1)};
  }
  Tensor inside(const Lines& raw) const {
    const Tensor moves = scaler.scale > 0;
    const Tensor w = at::where(moves, raw.weight / at::where(moves, scaler.scale, at::ones_like(scaler.scale)), 0.0);
    const Tensor bias = raw.bias + (raw.weight * scaler.mean).sum(1);
    return at::cat({turn.defined() ? at::mm(w, turn) : w, bias.unsqueeze(1)}, 1);
  }
};

// F fits over the same items and features, one a row: which items count, the penalty of each weight, and which weights
// may differ from 0. The loss and its gradient are of double precision; Hessians, which only choose the direction, are
// of single and made rarely.
struct Fits {
  const Features& on;
  const Tensor& y;             // [n]
  Tensor counts, ridge, free;  // [F, n], [F, r + 1], [F, r + 1]

  Tensor margins(const Tensor& u) const { return at::mm(u, on.z.t()); }
  Tensor loss(const Tensor& u, const Tensor& m) const {
    return (row_loss(m, y) * counts).sum(1) + 0.5 * (ridge * u * u).sum(1);
  }
  Tensor gradient(const Tensor& u, const Tensor& p) const {
    return (at::mm((p - y) * counts, on.z) + ridge * u) * free;
  }
  // Factored: [r + 1, r + 1] each.
  std::vector<Tensor> factors(const Tensor& p) const {
    const Tensor weight = (p * (1 - p) * counts).to(at::kFloat);
    std::vector<Tensor> result;
    for (int64_t f = 0; f < p.size(0); ++f) {
      Tensor hessian = at::mm(on.narrow.t(), on.narrow * weight[f].unsqueeze(1)).to(at::kDouble);
      hessian.diagonal().add_(ridge[f] + 1e-9);  // where every item is sure, the bias has no curvature of its own
      result.push_back(at::linalg_cholesky(hessian));
    }
    return result;
  }
  void keep(const Tensor& rows) {
    for (Tensor* t : {&counts, &ridge, &free}) *t = t->index_select(0, rows);
  }
};

Curvature own_curvature(const Fits& fits, const Tensor& p) {
  std::vector<size_t> each(size_t(p.size(0)));
  std::iota(each.begin(), each.end(), size_t{0});
  return {fits.factors(p), std::move(each)};
}

// From u [F, r + 1], with a curvature that is known already or none. A fit that has arrived leaves.
Tensor solve(Fits fits, Tensor u, const std::optional<Curvature>& known) {
  const Tensor result = u.clone();
  Tensor row = at::arange(u.size(0), at::kLong), m = fits.margins(u), p = at::sigmoid(m), g = fits.gradient(u, p),
         value = fits.loss(u, m), stuck = at::zeros({u.size(0)}, at::kBool);
  Curvature curvature = known.value_or(Curvature());
  for (int i = 0; i < most_iterations; ++i) {
    const bool fresh = i % steps_a_factor == 0 && !(known && i == 0);
    if (fresh) curvature = own_curvature(fits, p);
    Tensor full = curvature.solve(g) * fits.free;
    const Tensor active = ((g * full).sum(1) > small_step * (1 + value)) & ~stuck, kept = active.nonzero().squeeze(1);
    if (kept.size(0) < u.size(0)) {
      result.index_copy_(0, row, u);
      if (kept.size(0) == 0) return result;
      for (Tensor* t : {&row, &u, &m, &g, &value, &full}) *t = t->index_select(0, kept);
      fits.keep(kept);
      curvature.keep(kept);
    }
    Tensor length = at::ones_like(value), next, there, reached;
    for (int halving = 0; halving <= most_halvings; ++halving) {
      next = u - length.unsqueeze(1) * full;
      there = fits.margins(next);
      reached = fits.loss(next, there);
      const Tensor worse = ~(reached <= value);
      if (!worse.any().item<bool>()) break;
      length = at::where(worse, length * (halving == most_halvings ? 0.0 : 0.5), length);
    }
    const Tensor moves = length > 0, moved = moves.unsqueeze(1);
    const Tensor before = g, from = u;
    u = at::where(moved, next, u);
    m = at::where(moved, there, m);
    value = at::where(moves, reached, value);
    p = at::sigmoid(m);
    g = fits.gradient(u, p);
    stuck = fresh ? ~moves : at::zeros_like(moves);
    curvature.add(u - from, g - before);
  }
  return result.index_copy_(0, row, u);
}

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

// The items outside the folds a and b: of a nested cross-validation, a == b for the outer one, a < b for the inner one,
// which chooses the strength. A line without folds a and b serves both as inner lines, so half of the fits are enough.
struct FitPart {
  size_t a, b;
  FoldRows rows;
};

std::vector<FitPart> fit_parts(const std::vector<FoldRows>& folds, bool choose, const Tensor& y) {
  std::vector<FitPart> parts;
  for (size_t a = 0; a < folds.size(); ++a) parts.push_back({a, a, {}});
  for (size_t a = 0; choose && a < folds.size(); ++a)
    for (size_t b = a + 1; b < folds.size(); ++b) parts.push_back({a, b, {}});
  for (FitPart& part : parts) {
    for (size_t f = 0; f < folds.size(); ++f)
      if (f != part.a && f != part.b) part.rows.insert(part.rows.end(), folds[f].begin(), folds[f].end());
    std::sort(part.rows.begin(), part.rows.end());
    const double positives = y.index_select(0, index_of(part.rows)).sum().item<double>();
    if (positives == 0 || positives == double(part.rows.size()))
      fail("probe",
           "without folds {} and {}, {} items of one class are left to train on; spread both classes over more "
           "groups",
           part.a, part.b, part.rows.size());
  }
  return parts;
}

// What all problems share.
struct Plan {
  Tensor y;  // [n], f64
  std::vector<FoldRows> folds;
  std::vector<FitPart> parts;
  std::vector<double> strengths;

  int64_t items() const { return y.size(0); }
};

// The standardisation of every part, [S, d], from its folds' moments (Chan et al. 1979).
Scaler scalers_of_parts(const Plan& plan, const Tensor& x) {
  std::vector<Tensor> means, squares, magnitudes;
  std::vector<double> counts;
  for (const FoldRows& fold : plan.folds) {
    const Tensor some = x.index_select(0, index_of(fold));
    means.push_back(some.mean(0));
    squares.push_back((some - means.back()).square().sum(0));
    magnitudes.push_back(some.abs().amax(0));
    counts.push_back(double(fold.size()));
  }
  const Tensor mean = at::stack(means), square = at::stack(squares), magnitude = at::stack(magnitudes);  // [folds, d]
  std::vector<Tensor> centres, scales;
  for (const FitPart& part : plan.parts) {
    std::vector<double> weight = counts;
    weight[part.a] = weight[part.b] = 0;
    const Tensor n = at::tensor(weight, at::kDouble).unsqueeze(1), in = n > 0;
    const Tensor centre = (n * mean).sum(0) / n.sum();
    const Tensor sd = ((square * in + n * (mean - centre).square()).sum(0) / n.sum()).sqrt();
    const Tensor moves = sd > (magnitude * in).amax(0) * constant_feature;
    centres.push_back(centre);
    scales.push_back(at::where(moves, sd.reciprocal(), 0.0));
  }
  return {at::stack(centres), at::stack(scales)};
}

Tensor ridge_of(int64_t width, double strength) {
  return at::cat({at::full({width}, 1 / strength, at::kDouble), at::zeros({1}, at::kDouble)});
}

// One fit of all of the items that `on` holds, from u [1, r + 1].
Fits fit_of(const Features& on, const Tensor& y, double strength) {
  return {on, y, at::ones({1, y.size(0)}, at::kDouble), ridge_of(on.width(), strength).unsqueeze(0),
          at::ones({1, on.width() + 1}, at::kDouble)};
}

// Lines over raw features, strengths outermost, and each one's mean margin over the items that it was trained on.
struct PartLines {
  Lines raw;      // [C * S, d]
  Tensor centre;  // [C * S]
};

// In the features of all items, where a part's own standardisation is a penalty of each weight's own. u [C, r + 1]
// solves the fits of all items.
PartLines parts_at_once(const Plan& plan, const Tensor& x, const Features& whole, const Tensor& u) {
  const int64_t strengths = int64_t(plan.strengths.size()), parts = int64_t(plan.parts.size());
  const Scaler own = scalers_of_parts(plan, x);
  const Tensor moves = (own.scale > 0) & (whole.scaler.scale > 0);
  const Tensor ratio = at::where(moves, whole.scaler.scale / at::where(moves, own.scale, 1.0), 1.0).square();  // [S, d]
  const Tensor free = at::cat({moves.to(at::kDouble), at::ones({parts, 1}, at::kDouble)}, 1);
  const Tensor penalty = at::cat({ratio, at::zeros({parts, 1}, at::kDouble)}, 1);
  Tensor counts = at::zeros({parts, plan.items()}, at::kDouble);
  for (int64_t s = 0; s < parts; ++s) counts[s].index_fill_(0, index_of(plan.parts[size_t(s)].rows), 1.0);
  std::vector<Tensor> solved;
  const int64_t at_once = std::max<int64_t>(1, margins_at_once / (plan.items() * parts));  // strengths
  for (int64_t c = 0; c < strengths; c += at_once) {
    const int64_t count = std::min(at_once, strengths - c);
    std::vector<Tensor> factors, ridges;
    std::vector<size_t> of_row;
    for (int64_t i = 0; i < count; ++i) {
      const double strength = plan.strengths[size_t(c + i)];
      Fits typical = fit_of(whole, plan.y, strength);
      const Tensor p = at::sigmoid(typical.margins(u.narrow(0, c + i, 1)));
      for (int64_t s = 0; s < parts; ++s) {
        if (const FitPart& part = plan.parts[size_t(s)];
            s == 0 || (part.a != part.b && plan.parts[size_t(s) - 1].a == plan.parts[size_t(s) - 1].b)) {
          typical.counts.fill_(counts[s].mean());
          factors.push_back(typical.factors(p)[0]);
        }
        of_row.push_back(factors.size() - 1);
      }
      ridges.push_back(penalty / strength);
    }
    const Fits fits{whole, plan.y, counts.repeat({count, 1}), at::cat(ridges), free.repeat({count, 1})};
    solved.push_back(solve(fits, u.narrow(0, c, count).repeat_interleave(parts, 0) * fits.free,
                           Curvature{std::move(factors), std::move(of_row)}));
  }
  const Lines raw = whole.raw(at::cat(solved));
  return {raw, (raw.weight * own.mean.repeat({strengths, 1})).sum(1) + raw.bias};
}

// Each in features of its own: where they lie in the span of the items, other items have other ones.
PartLines parts_in_turn(const Plan& plan, const Tensor& x, const Lines& whole) {
  const size_t strengths = plan.strengths.size(), parts = plan.parts.size();
  std::vector<Tensor> weight(strengths * parts), bias(weight), centre(weight);
  for (size_t s = 0; s < parts; ++s) {
    const Tensor rows = index_of(plan.parts[s].rows), y = plan.y.index_select(0, rows);
    const Features own(x.index_select(0, rows));
    for (size_t c = 0; c < strengths; ++c) {
      const int64_t at = int64_t(c);
      const Tensor start = own.inside({whole.weight.narrow(0, at, 1), whole.bias.narrow(0, at, 1)});
      const Tensor u = solve(fit_of(own, y, plan.strengths[c]), start, {});
      const Lines raw = own.raw(u);
      weight[c * parts + s] = raw.weight, bias[c * parts + s] = raw.bias,
                         centre[c * parts + s] = u.select(1, own.width());
    }
  }
  return {{at::cat(weight), at::cat(bias)}, at::cat(centre)};
}

// What is chosen by the losses of held-out items. [C, S, folds]: the sums over each fold.
struct Choice {
  int64_t all;                 // the strength of the final probe
  std::vector<int64_t> folds;  // that of each fold's outer line, chosen on the others
};
Choice choose(const Plan& plan, const Tensor& losses) {
  const int64_t strengths = losses.size(0);
  Tensor outer = at::zeros({strengths}, at::kDouble),
         inner = at::zeros({int64_t(plan.folds.size()), strengths}, at::kDouble);
  for (size_t s = 0; s < plan.parts.size(); ++s) {
    const int64_t a = int64_t(plan.parts[s].a), b = int64_t(plan.parts[s].b);
    const Tensor of_part = losses.select(1, int64_t(s));  // [C, folds]
    if (a == b)
      outer += of_part.select(1, a);
    else
      inner[a] += of_part.select(1, b), inner[b] += of_part.select(1, a);
  }
  Choice choice{outer.argmin().item<int64_t>(), {}};  // the stronger penalty of equals
  for (size_t k = 0; k < plan.folds.size(); ++k) choice.folds.push_back(inner[int64_t(k)].argmin().item<int64_t>());
  return choice;
}

// Fills in the results of problem i. A held-out score is w.z of its fold plus the bias of the final probe: with each
// fold's own bias, scores would fall where a fold holds more of class 1 than its training items, and a probe that reads
// nothing would lie below an AUROC of one half.
void fit_problem(const Plan& plan, const Tensor& x, int64_t problem, Fit& fit) {
  const int64_t strengths = int64_t(plan.strengths.size()), parts = int64_t(plan.parts.size());
  const Features whole(x);
  std::vector<Tensor> path;
  for (const double strength : plan.strengths)
    path.push_back(solve(fit_of(whole, plan.y, strength),
                         path.empty() ? at::zeros({1, whole.width() + 1}, at::kDouble) : path.back(), {}));
  const Tensor u = at::cat(path);
  const Lines final = whole.raw(u);
  const PartLines lines = whole.turn.defined() ? parts_in_turn(plan, x, final) : parts_at_once(plan, x, whole, u);
  const Tensor margins =
      (at::mm(lines.raw.weight, x.t()) + lines.raw.bias.unsqueeze(1)).view({strengths, parts, plan.items()});
  Tensor of_fold = at::zeros({plan.items(), int64_t(plan.folds.size())}, at::kDouble);
  for (size_t k = 0; k < plan.folds.size(); ++k)
    of_fold.select(1, int64_t(k)).index_fill_(0, index_of(plan.folds[k]), 1.0);
  const Choice chosen = choose(plan, at::matmul(row_loss(margins, plan.y), of_fold));
  const Tensor bias = u[chosen.all][whole.width()];
  for (int64_t s = 0; s < parts; ++s) {
    const FitPart& part = plan.parts[size_t(s)];
    if (part.a != part.b) continue;
    const int64_t strength = chosen.folds[part.a];
    const Tensor rows = index_of(plan.folds[part.a]);
    const Tensor held_out = margins[strength][s].index_select(0, rows) - lines.centre[strength * parts + s] + bias;
    fit.scores[problem].index_copy_(0, rows, held_out.to(at::kFloat));
  }
  Probe& probe = fit.probes[size_t(problem)];
  probe.weight = final.weight[chosen.all].to(at::kFloat);
  probe.bias = final.bias[chosen.all].item<double>();
  fit.strength[size_t(problem)] = plan.strengths[size_t(chosen.all)];
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
  Plan plan;
  plan.y = at::tensor(at::ArrayRef<int>(labels), at::kInt).to(at::kDouble);
  plan.folds = folds_of(groups, options);
  plan.parts = fit_parts(plan.folds, options.strengths.size() > 1, plan.y);
  plan.strengths = options.strengths;
  std::sort(plan.strengths.begin(), plan.strengths.end());  // the strongest penalty first
  const int64_t count = x.size(0);
  Fit fit{at::empty({count, x.size(1)}, at::kFloat), std::vector<Probe>(size_t(count)),
          std::vector<double>(size_t(count))};
  at::parallel_for(0, count, 1, [&](int64_t begin, int64_t end) {
    const at::NoGradGuard none_here;  // the mode belongs to a thread
    for (int64_t i = begin; i < end; ++i) fit_problem(plan, x[i].to(at::kCPU, at::kDouble), i, fit);
  });
  return fit;
}

}  // namespace ken::readout
