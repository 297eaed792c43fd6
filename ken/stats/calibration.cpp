// Making a probability honest, and promising a risk: temperature scaling and certified thresholds.
#include <algorithm>
#include <numeric>

#include "ken/stats/checks.h"
#include "ken/stats/logistic.h"
#include "ken/stats/stats.h"

namespace ken::stats {
namespace {

double tempered_nll(std::span<const double> probability, std::span<const int> right, double temperature) {
  double sum = 0;
  for (size_t i = 0; i < right.size(); ++i) {
    const double z = logit(probability[i]) / temperature * (right[i] ? -1 : 1);
    sum += z > 0 ? z + std::log1p(std::exp(-z)) : std::log1p(std::exp(z));
  }
  return sum;
}

}  // namespace

double tempered(double probability, double temperature) { return sigmoid(logit(probability) / temperature); }

// The loss is convex in 1/T, so it has one valley in log T: golden section search.
double fit_temperature(std::span<const double> probability, std::span<const int> right) {
  check_scores("fit_temperature", probability, right);
  const auto ones = std::count(right.begin(), right.end(), 1);
  if (ones == 0 || ones == std::ptrdiff_t(right.size())) return nan;
  constexpr double golden = 0.6180339887498949;
  double low = std::log(0.05), high = std::log(20.0);
  while (high - low > 1e-6) {
    const double a = high - golden * (high - low), b = low + golden * (high - low);
    if (tempered_nll(probability, right, std::exp(a)) < tempered_nll(probability, right, std::exp(b)))
      high = b;
    else
      low = a;
  }
  return std::exp((low + high) / 2);
}

double binomial_tail(int64_t hits, int64_t n, double p) {
  if (n < 0 || hits < 0 || hits > n || !(p >= 0 && p <= 1))
    fail("binomial_tail", "{} hits of {} at p {}; hits lie between 0 and n, p between 0 and 1", hits, n, p);
  if (hits == n || p == 0) return 1;
  if (p == 1) return 0;
  double sum = 0;
  for (int64_t k = 0; k <= hits; ++k)
    sum += std::exp(std::lgamma(double(n) + 1) - std::lgamma(double(k) + 1) - std::lgamma(double(n - k) + 1) +
                    double(k) * std::log(p) + double(n - k) * std::log1p(-p));
  return std::min(1.0, sum);
}

double certified_threshold(std::span<const double> scores, std::span<const int> right, double risk, double delta,
                           int starts) {
  check_scores("certified_threshold", scores, right);
  if (!(risk > 0 && risk < 1) || !(delta > 0 && delta < 1) || starts < 1)
    fail_usage("abstention", "risk {}, delta {}, {} starts; risk and delta lie between 0 and 1, starts are 1 or more",
               risk, delta, starts);
  constexpr size_t grid = 100;
  const auto order = sorted_order(scores);  // ascending
  const double level = delta / starts;
  // Fewer answers than this could not pass without an error: no test is spent on them.
  const auto least = size_t(std::ceil(std::log(level) / std::log1p(-risk)));
  struct Test {
    double threshold, p;
  };
  std::vector<Test> tests;  // from strict to loose
  for (size_t step = 1; step <= grid; ++step) {
    const size_t place = order.size() * step / grid;
    if (place < least) continue;
    const double threshold = scores[order[order.size() - place]];
    if (!tests.empty() && tests.back().threshold == threshold) continue;
    int64_t n = 0, wrong = 0;  // ties with the threshold are answered too
    for (size_t i = 0; i < scores.size(); ++i)
      if (scores[i] >= threshold) ++n, wrong += right[i] == 0;
    tests.push_back({threshold, binomial_tail(wrong, n, risk)});
  }
  double lowest = nan;
  for (int start = 0; start < starts; ++start)
    for (size_t t = tests.size() * size_t(start) / size_t(starts); t < tests.size() && tests[t].p <= level; ++t)
      lowest = std::isnan(lowest) ? tests[t].threshold : std::min(lowest, tests[t].threshold);
  return lowest;
}

}  // namespace ken::stats
