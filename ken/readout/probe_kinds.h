// Probes beside logistic regression: the difference of the classes' means, and nets trained by Adam (a net without
// hidden layers is a linear probe, with L1 a sparse one); and how a probe fares on data that it was not meant for.
#pragma once
#include "ken/readout/probe.h"

namespace ken::readout {

// weight = mean of class 1 - mean of class 0, over standardised features; the bias puts the middle between the means at
// 0. Held out by the folds of `options`; nothing is chosen.
Fit fit_mean_difference(const Tensor& x, const std::vector<int>& labels, const std::vector<std::string>& groups,
                        const FitOptions& options);

struct NetOptions {
  std::vector<int64_t> hidden = {256, 128, 64};  // with ReLU; {}: a linear probe
  double dropout = 0.15;                         // of the input
  double learning_rate = 1e-3, decay = 1;        // of Adam; the rate is multiplied by `decay` each epoch
  double weight_decay = 1e-5, l1 = 0;            // l1: times |weights| and |biases| of all layers
  int64_t batch = 32, epochs = 100;
  // > 0: a share of the training groups is set aside, training ends when its loss has not fallen for so many epochs,
  // and the best epoch is kept. 0: all epochs, the last one is kept.
  int64_t patience = 10;
  double validation = 0.2;
  bool standardise = true;  // features, by the training items
  int folds = 5;            // 0: no held-out scores
  uint64_t seed = 0;
};
struct NetItems {
  const std::vector<int>& labels;
  const std::vector<std::string>& groups;
  std::vector<std::string> cells = {};  // not empty: training and validation items are repeated until each cell (a name
                                        // for each item) has as many as the largest
  std::vector<char> trains = {};        // not empty: items with 0 are judged, never trained on
  std::vector<int> fold = {};           // not empty: each item's fold, 0 <= fold < folds, instead of grouped draws
};
// P problems over the same n items, x [P, n, d]: each starts from the same weights and sees the same batches, so none
// depends on the others.
Fit fit_nets(const Tensor& x, const NetItems& items, const NetOptions& options);

// [D, n] held-out log-odds on all items by logistic probes that were fitted on the items of one data set each, those of
// the item's own fold left out: set[i] in [0, D) is item i's. A set with fewer than `least` items of a class outside a
// fold gives NaN there.
Tensor cross_scores(const Tensor& x, const std::vector<int>& labels, const std::vector<std::string>& groups,
                    const std::vector<int>& set, int sets, const FitOptions& options, size_t least = 8);

}  // namespace ken::readout
