// What held-out scores of several probes are worth, without choosing the best probe on the items that judge it.
#pragma once
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "ken/base/json.h"
#include "ken/nn/torch.h"
#include "ken/stats/stats.h"

namespace ken::readout {

using at::Tensor;

std::vector<double> doubles(const Tensor& row);  // [n] of any type

// What makes one probe better than another: larger is better.
using Criterion = std::function<double(std::span<const double> scores, std::span<const int> labels)>;

// all[p] [n] = scores of probe p. Each item gets the score of the probe that is best, by `criterion`, on the other
// folds (the first of equals): the maximum of many noisy numbers is no estimate of the probe that it names. `chosen`
// receives the probe of each item.
std::vector<double> chosen_on_other_folds(const std::vector<std::vector<double>>& all, std::span<const int> labels,
                                          std::span<const int> fold, const Criterion& criterion = stats::auroc,
                                          std::vector<size_t>* chosen = nullptr);

// AUROC with an interval over groups.
stats::Number auroc_of(std::span<const double> scores, std::span<const int> labels, std::span<const std::string> groups,
                       uint64_t seed, const std::string& metric = "auroc");

// scores [D, n]: of probes that were fitted on one data set each; set[i] in [0, D) is item i's, -1 none. {sets,
// auroc[a][b] of the probe of a on the items of b, above_baseline[a][b], and their means: within, across,
// across_above_baseline}. Scores that are NaN are left out; an area without two classes is null.
Json cross_matrix(const Tensor& scores, std::span<const int> labels, std::span<const int> set,
                  const std::vector<std::string>& names, std::span<const double> baseline);

// The area under the precision-recall curve as average precision (ties enter together); NaN if one class is empty.
double auprc(std::span<const double> scores, std::span<const int> labels);

// Accuracy at `threshold`, each cell (a name for each item, its class included) counting alike: what an oversampled,
// balanced test split would give, without the noise of drawing it.
double balanced_accuracy(std::span<const double> scores, std::span<const int> labels,
                         std::span<const std::string> cells, double threshold = 0);

}  // namespace ken::readout
