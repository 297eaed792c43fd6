// Linear support vector machines and softmax regression over a few scores: deterministic solvers of the primal.
#pragma once
#include "ken/nn/torch.h"
#include "ken/stats/stats.h"

namespace ken::readout {

using at::Tensor;

// f(x) = w.x + b over raw features.
struct Svm {
  Tensor weight;  // [d] f64
  double bias = 0;
  double strength = 0;                  // C
  double level = 0;                     // f at the mean of the items that it was fitted on
  Tensor score(const Tensor& x) const;  // [..., d] -> [...] f64
};

// One machine for each strength C, ascending, each started from the one before, or from those of `from` (fitted on
// nearly the same items with the same strengths):
//   |w|^2 / 2 + C sum_i s_i max(0, 1 - y_i f(x_i))^2, the bias free,
// s_i = 1 / n, or for `balanced` 1 / (2 n_class): C keeps its meaning whatever the items' number. Features are
// standardised on the items. x [n, d]; labels in {0, 1}, both of them present.
std::vector<Svm> fit_svm(const Tensor& x, const std::vector<int>& labels, const std::vector<double>& strengths,
                         bool balanced = true, const std::vector<Svm>& from = {});

struct SvmOptions {
  std::vector<double> strengths = {0.1, 1, 10, 100};
  int folds = 5;
  uint64_t seed = 0;
  bool balanced = true;
};
struct SvmFit {
  // Each item by a machine that saw none of its group, its C chosen on the other folds. Each fold's level is
  // that of the machine fitted on all: with their own, scores would fall where a fold holds more of class 1 than its
  // training items, and a machine that reads nothing would lie below an AUROC of one half.
  std::vector<double> scores;
  Svm machine;  // fitted on all items, with the C of best balanced accuracy over all folds
};
SvmFit fit_svm(const Tensor& x, const std::vector<int>& labels, const std::vector<std::string>& groups,
               const SvmOptions& options);
// P problems over the same items, x [P, n, d]; threads share them.
std::vector<SvmFit> fit_svms(const Tensor& x, const std::vector<int>& labels, const std::vector<std::string>& groups,
                             const SvmOptions& options);

// Bags of instances: values [n, k, d], valid [n, k] bool. The averaged linear kernel of two bags is the product of
// their means (Gartner et al. 2002), so that a multiple-instance machine with it is a machine on these: [n, d].
Tensor bag_means(const Tensor& values, const Tensor& valid);

// Softmax regression without a penalty; features are standardised inside, classes weigh alike if `balanced`.
struct Softmax {
  Tensor weight, bias;                          // [classes, k], [classes] f64
  Tensor probabilities(const Tensor& x) const;  // [n, k] -> [n, classes]
};
Softmax fit_softmax(const Tensor& x, const std::vector<int>& labels, int classes, bool balanced = true);

}  // namespace ken::readout
