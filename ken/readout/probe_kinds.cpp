#include "ken/readout/probe_kinds.h"

#include <algorithm>

#include "ken/base/error.h"
#include "ken/readout/index.h"
#include "ken/readout/scaler.h"

namespace ken::readout {
namespace {

struct Mean {
  Tensor weight, bias, centre;  // over raw features: [P, d], [P]; the training items' mean score [P]
};

// x [P, n, d] f64, y [n].
Mean mean_difference(const Tensor& x, const Tensor& y) {
  const Tensor mean = x.mean(1), sd = (x - mean.unsqueeze(1)).square().mean(1).sqrt();
  const Tensor moves = sd > x.abs().amax(1) * constant_feature;
  const Tensor scale = at::where(moves, sd.reciprocal(), at::zeros_like(sd));
  const Tensor one = at::einsum("pnd,n->pd", {x, y}) / y.sum(),
               zero = at::einsum("pnd,n->pd", {x, 1 - y}) / (1 - y).sum();
  const Tensor weight = (one - zero) * scale.square();  // the difference of z, over raw features
  const Tensor bias = -(weight * (one + zero) / 2).sum(1);
  return {weight, bias, (weight * mean).sum(1) + bias};
}

void check_sizes(const Tensor& x, size_t labels, size_t groups) {
  if (x.dim() != 3 || x.size(1) != int64_t(labels) || groups != labels)
    fail("probe", "{} labels and {} groups for features of {} dimensions; x must be [problems, items, d]", labels,
         groups, x.dim());
}

bool both_classes(const Tensor& y) {
  const double ones = y.sum().item<double>();
  return ones > 0 && ones < double(y.size(0));
}

}  // namespace

// As with logistic probes a fold's scores are centred on its training items and get the final probe's offset, so that
// folds with other shares of the classes stay comparable.
Fit fit_mean_difference(const Tensor& x, const std::vector<int>& labels, const std::vector<std::string>& groups,
                        const FitOptions& options) {
  const at::NoGradGuard no_gradients;
  check_sizes(x, labels.size(), groups.size());
  const auto fold = stats::grouped_folds(groups, options.folds, options.seed);
  const Tensor wide = x.to(at::kCPU, at::kDouble), y = at::tensor(at::ArrayRef<int>(labels), at::kInt).to(at::kDouble);
  if (!both_classes(y)) fail("probe", "all {} items are of one class; a probe needs both", labels.size());
  const Mean whole = mean_difference(wide, y);
  Fit fit{at::empty({x.size(0), x.size(1)}, at::kFloat), std::vector<Probe>(size_t(x.size(0))), {}};
  for (int k = 0; k < options.folds; ++k) {
    std::vector<int64_t> train, test;
    for (size_t i = 0; i < fold.size(); ++i) (fold[i] == k ? test : train).push_back(int64_t(i));
    if (test.empty()) continue;
    const Tensor inside = index_of(train), outside = index_of(test);
    const Tensor of_train = y.index_select(0, inside);
    if (train.empty() || !both_classes(of_train))
      fail("probe", "without fold {} all items are of one class; spread both classes over more groups", k);
    const Mean part = mean_difference(wide.index_select(1, inside), of_train);
    const Tensor scores = at::bmm(wide.index_select(1, outside), part.weight.unsqueeze(2)).squeeze(2);
    const Tensor shift = part.bias - part.centre + whole.centre;
    fit.scores.index_copy_(1, outside, (scores + shift.unsqueeze(1)).to(at::kFloat));
  }
  for (int64_t p = 0; p < x.size(0); ++p) {
    Probe& probe = fit.probes[size_t(p)];
    probe.kind = "mean-difference";
    probe.weight = whole.weight[p].to(at::kFloat);
    probe.bias = whole.bias[p].item<double>();
  }
  return fit;
}

Tensor cross_scores(const Tensor& x, const std::vector<int>& labels, const std::vector<std::string>& groups,
                    const std::vector<int>& set, int sets, const FitOptions& options, size_t least) {
  check_sizes(x.unsqueeze(0), labels.size(), groups.size());
  const auto fold = stats::grouped_folds(groups, options.folds, options.seed);
  Tensor scores = at::full({sets, x.size(0)}, NAN, at::kFloat);
  for (int s = 0; s < sets; ++s) {
    for (int k = 0; k < options.folds; ++k) {
      std::vector<int64_t> train, test;
      std::vector<int> train_labels;
      std::vector<std::string> train_groups;
      for (size_t i = 0; i < fold.size(); ++i) {
        if (fold[i] == k) test.push_back(int64_t(i));
        if (fold[i] == k || set[i] != s) continue;
        train.push_back(int64_t(i)), train_labels.push_back(labels[i]), train_groups.push_back(groups[i]);
      }
      const size_t ones = size_t(std::count(train_labels.begin(), train_labels.end(), 1));
      if (test.empty() || std::min(ones, train.size() - ones) < least) continue;
      const Tensor outside = index_of(test);
      const Fit fit =
          fit_logistic(x.index_select(0, index_of(train)).unsqueeze(0), train_labels, train_groups, options);
      scores[s].index_copy_(0, outside, fit.probes[0].score(x.index_select(0, outside)));
    }
  }
  return scores;
}

}  // namespace ken::readout
