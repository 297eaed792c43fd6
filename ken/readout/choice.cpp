#include "ken/readout/choice.h"

#include <set>

#include "ken/base/error.h"

namespace ken::readout {
namespace {

size_t best_without(const std::vector<std::vector<double>>& scores, std::span<const int> labels,
                    std::span<const int> fold, int left_out, const Judge& judge) {
  std::vector<int> others;
  for (size_t i = 0; i < fold.size(); ++i)
    if (fold[i] != left_out) others.push_back(labels[i]);
  size_t best = 0;
  double most = -1e300;
  for (size_t r = 0; r < scores.size(); ++r) {
    std::vector<double> of;
    for (size_t i = 0; i < fold.size(); ++i)
      if (fold[i] != left_out) of.push_back(scores[r][i]);
    if (const double value = judge(of, others); value > most) most = value, best = r;
  }
  return best;
}

}  // namespace

std::vector<double> choose_on_other_folds(const std::vector<std::vector<double>>& scores, std::span<const int> labels,
                                          std::span<const int> fold, const Judge& judge) {
  if (scores.empty()) fail("choice", "there is no reader to choose; give one or more");
  std::vector<double> result(labels.size());
  for (const int f : std::set<int>(fold.begin(), fold.end())) {
    const auto& chosen = scores[best_without(scores, labels, fold, f, judge)];
    for (size_t i = 0; i < fold.size(); ++i)
      if (fold[i] == f) result[i] = chosen[i];
  }
  return result;
}

}  // namespace ken::readout
