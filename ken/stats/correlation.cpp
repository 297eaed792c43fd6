// Sample mean, spread and correlation.
#include <algorithm>
#include <numeric>

#include "ken/stats/checks.h"
#include "ken/stats/stats.h"

namespace ken::stats {
namespace {

void check_pairs(std::string_view function, std::span<const double> a, std::span<const double> b) {
  if (a.size() != b.size()) fail(function, "{} and {} values; both sides need one for each item", a.size(), b.size());
  check_numbers(function, a);
  check_numbers(function, b);
}

double correlation(std::span<const double> a, std::span<const double> b) {
  if (a.size() < 2) return nan;
  const double mean_a = mean_of(a), mean_b = mean_of(b);
  double both = 0, square_a = 0, square_b = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    both += (a[i] - mean_a) * (b[i] - mean_b);
    square_a += (a[i] - mean_a) * (a[i] - mean_a);
    square_b += (b[i] - mean_b) * (b[i] - mean_b);
  }
  if (square_a == 0 || square_b == 0) return nan;  // a constant goes with nothing
  return std::clamp(both / (std::sqrt(square_a) * std::sqrt(square_b)), -1.0, 1.0);
}

// Ranks from 1; equal values share their average rank.
std::vector<double> ranks(std::span<const double> values) {
  const std::vector<size_t> order = sorted_order(values);
  std::vector<double> result(values.size());
  for (size_t begin = 0, end; begin < order.size(); begin = end) {
    end = begin + 1;
    while (end < order.size() && values[order[end]] == values[order[begin]]) ++end;
    for (size_t i = begin; i < end; ++i) result[order[i]] = double(begin + 1 + end) / 2;
  }
  return result;
}

}  // namespace

double mean_of(std::span<const double> values) {
  check_numbers("mean_of", values);
  if (values.empty()) return nan;
  return std::accumulate(values.begin(), values.end(), 0.0) / double(values.size());
}

double sd_of(std::span<const double> values) {
  check_numbers("sd_of", values);
  if (values.size() < 2) return nan;
  const double mean = mean_of(values);
  double sum = 0;
  for (const double value : values) sum += (value - mean) * (value - mean);
  return std::sqrt(sum / double(values.size() - 1));
}

double pearson(std::span<const double> a, std::span<const double> b) {
  check_pairs("pearson", a, b);
  return correlation(a, b);
}

double spearman(std::span<const double> a, std::span<const double> b) {
  check_pairs("spearman", a, b);
  return correlation(ranks(a), ranks(b));
}

}  // namespace ken::stats
