#include "ken/stats/classes.h"

#include <cmath>
#include <map>

#include "ken/stats/checks.h"

namespace ken::stats {
namespace {

void check_classes(const char* function, std::span<const int> predicted, std::span<const int> actual) {
  if (predicted.size() != actual.size())
    fail(function, "{} predictions but {} classes; there must be one of each for an item", predicted.size(),
         actual.size());
}

}  // namespace

double accuracy(std::span<const int> predicted, std::span<const int> actual) {
  check_classes("accuracy", predicted, actual);
  double hits = 0;
  for (size_t i = 0; i < actual.size(); ++i) hits += predicted[i] == actual[i];
  return actual.empty() ? nan : hits / double(actual.size());
}

double balanced_accuracy(std::span<const int> predicted, std::span<const int> actual) {
  check_classes("balanced_accuracy", predicted, actual);
  std::map<int, std::pair<double, double>> of;  // hits and items of each class
  for (size_t i = 0; i < actual.size(); ++i) {
    of[actual[i]].first += predicted[i] == actual[i];
    of[actual[i]].second += 1;
  }
  double sum = 0;
  for (const auto& [name, counts] : of) sum += counts.first / counts.second;
  return of.empty() ? nan : sum / double(of.size());
}

Number right_share(std::span<const int> predicted, std::span<const int> actual, const std::string& metric) {
  check_classes("right_share", predicted, actual);
  int64_t hits = 0;
  for (size_t i = 0; i < actual.size(); ++i) hits += predicted[i] == actual[i];
  return proportion(hits, int64_t(actual.size()), metric);
}

// With c items right of s, t_k items of class k and p_k predictions of it:
//   (c s - sum_k p_k t_k) / sqrt((s^2 - sum p_k^2) (s^2 - sum t_k^2))
double matthews(std::span<const int> predicted, std::span<const int> actual) {
  check_classes("matthews", predicted, actual);
  if (actual.empty()) return nan;
  std::map<int, std::pair<double, double>> counts;  // p_k, t_k
  double right = 0;
  for (size_t i = 0; i < actual.size(); ++i) {
    counts[predicted[i]].first += 1, counts[actual[i]].second += 1;
    right += predicted[i] == actual[i];
  }
  const double s = double(actual.size());
  double both = 0, of_predicted = 0, of_actual = 0;
  for (const auto& [name, k] : counts) {
    both += k.first * k.second;
    of_predicted += k.first * k.first, of_actual += k.second * k.second;
  }
  const double spread = (s * s - of_predicted) * (s * s - of_actual);
  return spread > 0 ? (right * s - both) / std::sqrt(spread) : 0;
}

}  // namespace ken::stats
