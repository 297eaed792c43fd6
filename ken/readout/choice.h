// Choosing among many readers without flattering the choice: each fold's reader is chosen on the other folds, since the
// best of many noisy figures is no estimate of the reader that it names.
#pragma once
#include <functional>
#include <span>
#include <vector>

namespace ken::readout {

using Judge = std::function<double(std::span<const double> scores, std::span<const int> labels)>;

// scores[r][i]: reader r's held-out score of item i. Item i's result is that of the reader which is best, by `judge`,
// on the items outside its fold; the first of equals.
std::vector<double> choose_on_other_folds(const std::vector<std::vector<double>>& scores, std::span<const int> labels,
                                          std::span<const int> fold, const Judge& judge);

}  // namespace ken::readout
