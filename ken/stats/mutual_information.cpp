// I = psi(N) + <psi(k)> - <psi(N_class)> - <psi(m)>: m counts the items of any class, the item itself included, that
// lie nearer than its k-th neighbour of its own class. All arguments of psi are whole numbers.
#include "ken/stats/mutual_information.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <vector>

#include "ken/base/rng.h"

namespace ken::stats {
namespace {

double digamma(int64_t n) {  // H_{n-1} - gamma
  constexpr double gamma = 0.57721566490153286;
  double sum = -gamma;
  for (int64_t i = 1; i < n; ++i) sum += 1.0 / double(i);
  return sum;
}

std::vector<double> scaled(std::span<const double> values, uint64_t seed) {
  const double n = double(values.size());
  double mean = 0, square = 0, absolute = 0;
  for (const double v : values) mean += v / n;
  for (const double v : values) square += (v - mean) * (v - mean) / n;
  const double sd = square > 0 ? std::sqrt(square) : 1;
  for (const double v : values) absolute += std::abs(v) / sd / n;
  Rng rng(seed, 0x3171);
  std::vector<double> result;
  for (const double v : values) result.push_back(v / sd + 1e-10 * std::max(1.0, absolute) * rng.normal());
  return result;
}

// The distance of sorted[i] to its k-th neighbour, less the least step: what lies that far is not counted.
double radius(const std::vector<double>& sorted, size_t i, int k) {
  size_t low = i, high = i;
  double distance = 0;
  for (int taken = 0; taken < k; ++taken) {
    const double left = low > 0 ? sorted[i] - sorted[low - 1] : INFINITY,
                 right = high + 1 < sorted.size() ? sorted[high + 1] - sorted[i] : INFINITY;
    left <= right ? --low : ++high;
    distance = std::min(left, right);
  }
  return std::nextafter(distance, 0.0);
}

int64_t within(const std::vector<double>& sorted, double x, double r) {
  const auto first = std::partition_point(sorted.begin(), sorted.end(), [&](double v) { return x - v > r; });
  const auto last = std::partition_point(first, sorted.end(), [&](double v) { return v - x <= r; });
  return last - first;
}

}  // namespace

double mutual_information(std::span<const double> values, std::span<const int> classes, int neighbours, uint64_t seed) {
  const std::vector<double> x = scaled(values, seed);
  std::map<int, std::vector<double>> of;
  for (size_t i = 0; i < x.size(); ++i) of[classes[i]].push_back(x[i]);
  std::erase_if(of, [](const auto& members) { return members.second.size() < 2; });
  if (of.size() < 2) return 0;
  std::vector<double> all;
  for (auto& [name, members] : of) {
    std::sort(members.begin(), members.end());
    all.insert(all.end(), members.begin(), members.end());
  }
  std::sort(all.begin(), all.end());
  double sum = 0;
  for (const auto& [name, members] : of) {
    const int k = int(std::min<size_t>(size_t(neighbours), members.size() - 1));
    for (size_t i = 0; i < members.size(); ++i)
      sum += digamma(k) - digamma(int64_t(members.size())) - digamma(within(all, members[i], radius(members, i, k)));
  }
  return std::max(0.0, digamma(int64_t(all.size())) + sum / double(all.size()));
}

}  // namespace ken::stats
