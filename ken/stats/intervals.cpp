// Numbers with 95 % intervals: Wilson's for proportions, the percentile bootstrap for the rest; and grouped splits.
#include <algorithm>
#include <map>
#include <string_view>

#include "ken/base/parallel.h"
#include "ken/base/rng.h"
#include "ken/stats/checks.h"
#include "ken/stats/finite.h"
#include "ken/stats/stats.h"

namespace ken::stats {
namespace {

// The q-quantile of ascending values, linear between neighbours.
double quantile(const std::vector<double>& sorted, double q) {
  const double place = q * double(sorted.size() - 1);
  const size_t below = size_t(place), above = std::min(below + 1, sorted.size() - 1);
  return sorted[below] + (place - double(below)) * (sorted[above] - sorted[below]);
}

// Writes the central 95 % of the resampled statistic, where it is a number; fewer than two values give no interval.
void set_interval(Number& number, std::vector<double> resampled) {
  number.low = number.high = nan;
  std::erase_if(resampled, [](double value) { return std::isnan(value); });
  if (resampled.size() < 2) return;
  std::sort(resampled.begin(), resampled.end());
  number.low = quantile(resampled, 0.025);
  number.high = quantile(resampled, 0.975);
}

// The statistic of each sample of `count` groups, drawn with replacement; group_of[i] is that of item order[i]. A
// sample is handed over by rising score, so that no statistic has to sort it again.
std::vector<double> redrawn(std::span<const double> scores, std::span<const int> labels,
                            const std::vector<size_t>& order, const std::vector<size_t>& group_of, size_t count,
                            double (*statistic)(std::span<const double>, std::span<const int>), uint64_t seed,
                            int resamples) {
  std::vector<double> found(size_t(std::max(resamples, 0)));
  in_ranges(resamples, [&](int64_t begin, int64_t end) {
    std::vector<double> drawn;
    std::vector<int> drawn_labels, times(count);
    for (int64_t r = begin; r < end; ++r) {
      Rng rng(seed, uint64_t(r));
      std::fill(times.begin(), times.end(), 0);
      for (size_t g = 0; g < count; ++g) ++times[rng.below(count)];
      drawn.clear(), drawn_labels.clear();
      for (size_t i = 0; i < order.size(); ++i)
        for (int t = 0; t < times[group_of[i]]; ++t)
          drawn.push_back(scores[order[i]]), drawn_labels.push_back(labels[order[i]]);
      found[size_t(r)] = statistic(drawn, drawn_labels);
    }
  });
  return found;
}

}  // namespace

Json to_json(const Number& number) {
  return {{"value", finite_or_null(number.value)},
          {"n", number.n},
          {"ci", Json::array({finite_or_null(number.low), finite_or_null(number.high)})},
          {"metric", number.metric}};
}

// Wilson (1927), "Probable inference, the law of succession, and statistical inference".
Number proportion(int64_t hits, int64_t n, const std::string& metric) {
  if (n < 0 || hits < 0 || hits > n) fail("proportion", "{} hits of {}; hits lie between 0 and n", hits, n);
  if (n == 0) return {nan, 0, nan, nan, metric};
  constexpr double z = 1.959963984540054;
  const double count = double(n), p = double(hits) / count, z2 = z * z / count;
  const double middle = (p + z2 / 2) / (1 + z2);
  const double half = z * std::sqrt(p * (1 - p) / count + z2 / (4 * count)) / (1 + z2);
  // At the ends the formula is 0 or 1 but for rounding.
  return {p, n, hits == 0 ? 0 : middle - half, hits == n ? 1 : middle + half, metric};
}

Number mean(std::span<const double> values, uint64_t seed, const std::string& metric, int resamples) {
  check_numbers("mean", values);
  Number number{mean_of(values), int64_t(values.size()), nan, nan, metric};
  if (values.empty()) return number;
  std::vector<double> means(size_t(std::max(resamples, 0)));
  in_ranges(resamples, [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r) {
      Rng rng(seed, uint64_t(r));
      double sum = 0;
      for (size_t i = 0; i < values.size(); ++i) sum += values[rng.below(values.size())];
      means[size_t(r)] = sum / double(values.size());
    }
  });
  set_interval(number, std::move(means));
  return number;
}

Number bootstrap(std::span<const double> scores, std::span<const int> labels,
                 double (*statistic)(std::span<const double>, std::span<const int>), uint64_t seed,
                 const std::string& metric, int resamples) {
  check_scores("bootstrap", scores, labels);
  const size_t n = scores.size();
  Number number{statistic(scores, labels), int64_t(n), nan, nan, metric};
  if (n == 0) return number;
  const std::vector<size_t> order = sorted_order(scores);
  set_interval(number, redrawn(scores, labels, order, order, n, statistic, seed, resamples));
  return number;
}

Number bootstrap(std::span<const double> scores, std::span<const int> labels, std::span<const std::string> groups,
                 double (*statistic)(std::span<const double>, std::span<const int>), uint64_t seed,
                 const std::string& metric, int resamples) {
  check_scores("bootstrap", scores, labels);
  if (groups.size() != scores.size()) fail("bootstrap", "{} groups for {} scores", groups.size(), scores.size());
  std::map<std::string_view, size_t> places;
  for (const std::string& group : groups) places.emplace(group, 0);
  size_t count = 0;
  for (auto& [name, place] : places) place = count++;
  Number number{statistic(scores, labels), int64_t(scores.size()), nan, nan, metric};
  if (count < 2) return number;
  const std::vector<size_t> order = sorted_order(scores);
  std::vector<size_t> group_of(order.size());
  for (size_t i = 0; i < order.size(); ++i) group_of[i] = places.at(groups[order[i]]);
  set_interval(number, redrawn(scores, labels, order, group_of, count, statistic, seed, resamples));
  return number;
}

std::vector<int> grouped_folds(std::span<const std::string> groups, int folds, uint64_t seed) {
  if (folds < 1) fail("grouped_folds", "{} folds; take at least 1", folds);
  std::vector<int> result;
  result.reserve(groups.size());
  for (const std::string& group : groups) {
    uint64_t hash = 0xcbf29ce484222325;  // FNV-1a, then mixed with the seed: stable over machines and versions
    for (const char byte : group) hash = (hash ^ uint8_t(byte)) * 0x100000001b3;
    Rng rng(seed, hash);
    result.push_back(int(rng.below(uint64_t(folds))));
  }
  return result;
}

}  // namespace ken::stats
