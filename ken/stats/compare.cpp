#include "ken/stats/compare.h"

#include <algorithm>

#include "ken/stats/checks.h"
#include "ken/stats/stats.h"

namespace ken::stats {
namespace {

constexpr double z95 = 1.959963984540054;

double two_sided(double z) { return std::erfc(std::abs(z) / std::sqrt(2.0)); }

double log_choose(int64_t n, int64_t k) {
  return std::lgamma(double(n) + 1) - std::lgamma(double(k) + 1) - std::lgamma(double(n - k) + 1);
}

void check_counts(const char* function, int64_t hits, int64_t n) {
  if (n < 0 || hits < 0 || hits > n) fail(function, "{} hits of {}; hits lie between 0 and n", hits, n);
}

// The regularised incomplete beta function I_x(a, b) by its continued fraction (Lentz's method, DLMF 8.17.22), which
// converges fast for x < (a + 1) / (a + b + 2).
double incomplete_beta(double a, double b, double x) {
  if (x <= 0 || x >= 1) return x <= 0 ? 0 : 1;
  if (x > (a + 1) / (a + b + 2)) return 1 - incomplete_beta(b, a, 1 - x);
  const double front =
      std::exp(a * std::log(x) + b * std::log1p(-x) + std::lgamma(a + b) - std::lgamma(a) - std::lgamma(b)) / a;
  const auto away = [](double value) { return std::abs(value) < 1e-300 ? 1e-300 : value; };  // from zero
  double c = 1, d = 1 / away(1 - (a + b) * x / (a + 1)), result = d;
  for (int m = 1; m < 10000; ++m) {
    const double even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)),
                 odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1));
    d = 1 / away(1 + even * d), c = away(1 + even / c), result *= c * d;
    d = 1 / away(1 + odd * d), c = away(1 + odd / c);
    result *= c * d;
    if (std::abs(c * d - 1) < 1e-14) break;
  }
  return front * result;
}

}  // namespace

double fisher_exact(int64_t hits_a, int64_t n_a, int64_t hits_b, int64_t n_b) {
  check_counts("fisher_exact", hits_a, n_a);
  check_counts("fisher_exact", hits_b, n_b);
  if (n_a == 0 || n_b == 0) return nan;
  const int64_t hits = hits_a + hits_b, all = n_a + n_b;
  const auto log_chance = [&](int64_t k) {
    return log_choose(n_a, k) + log_choose(n_b, hits - k) - log_choose(all, hits);
  };
  // Tables as likely as the one found count too; 1e-7 is for rounding.
  const double found = log_chance(hits_a) + 1e-7;
  double p = 0;
  for (int64_t k = std::max<int64_t>(0, hits - n_b); k <= std::min(hits, n_a); ++k)
    if (const double chance = log_chance(k); chance <= found) p += std::exp(chance);
  return std::min(1.0, p);
}

double two_proportions(int64_t hits_a, int64_t n_a, int64_t hits_b, int64_t n_b) {
  check_counts("two_proportions", hits_a, n_a);
  check_counts("two_proportions", hits_b, n_b);
  if (n_a == 0 || n_b == 0) return nan;
  const double all = double(n_a) + double(n_b), hits = double(hits_a) + double(hits_b);
  if (hits == 0 || hits == all) return 1;
  const double smallest = double(std::min(n_a, n_b)) * std::min(hits, all - hits) / all;
  if (smallest < 1) return fisher_exact(hits_a, n_a, hits_b, n_b);
  const double difference = double(hits_a) / double(n_a) - double(hits_b) / double(n_b), share = hits / all;
  const double variance = share * (1 - share) * (1 / double(n_a) + 1 / double(n_b));
  return two_sided(difference / std::sqrt(variance) * std::sqrt((all - 1) / all));
}

double paired_t(std::span<const double> a, std::span<const double> b) {
  if (a.size() != b.size()) fail("paired_t", "{} and {} values; the same items are measured twice", a.size(), b.size());
  const double n = double(a.size());
  if (n < 2) return nan;
  std::vector<double> differences;
  for (size_t i = 0; i < a.size(); ++i) differences.push_back(a[i] - b[i]);
  const double mean = mean_of(differences), sd = sd_of(differences);
  if (sd == 0) return mean == 0 ? 1 : 0;
  const double t = mean / (sd / std::sqrt(n)), df = n - 1;
  return incomplete_beta(df / 2, 0.5, df / (df + t * t));
}

double mcnemar_exact(int64_t only_a, int64_t only_b) {
  if (only_a < 0 || only_b < 0) fail("mcnemar_exact", "{} and {} items; counts are not negative", only_a, only_b);
  const int64_t n = only_a + only_b, fewer = std::min(only_a, only_b);
  double tail = 0;
  for (int64_t k = 0; k <= fewer; ++k) tail += std::exp(log_choose(n, k) - double(n) * std::log(2.0));
  return std::min(1.0, 2 * tail);
}

double from_intervals(const Estimate& a, const Estimate& b) {
  const bool a_above = a.value > b.value;
  const double half_a = a_above ? a.value - a.low : a.high - a.value;
  const double half_b = a_above ? b.high - b.value : b.value - b.low;
  const double half = std::sqrt(half_a * half_a + half_b * half_b);
  if (!std::isfinite(half) || !std::isfinite(a.value - b.value)) return nan;
  if (a.value == b.value) return 1;
  return half > 0 ? two_sided((a.value - b.value) / (half / z95)) : nan;
}

std::vector<double> holm(std::span<const double> p) {
  std::vector<size_t> order;
  for (size_t i = 0; i < p.size(); ++i) {
    if (p[i] < 0 || p[i] > 1) fail("holm", "p-value {} is {}; p-values lie in [0, 1]", i, p[i]);
    if (!std::isnan(p[i])) order.push_back(i);
  }
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return p[a] < p[b]; });
  std::vector<double> adjusted(p.size(), nan);
  double most = 0;
  for (size_t rank = 0; rank < order.size(); ++rank) {
    most = std::max(most, std::min(1.0, p[order[rank]] * double(order.size() - rank)));
    adjusted[order[rank]] = most;
  }
  return adjusted;
}

}  // namespace ken::stats
