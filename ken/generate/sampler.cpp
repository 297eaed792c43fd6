#include "ken/generate/sampler.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "ken/base/error.h"
#include "ken/base/rng.h"

namespace ken::generate {
namespace {

// How many of the candidates, sorted by falling logit, the filters keep.
size_t kept(const std::vector<float>& logits, const std::vector<int32_t>& order, const Sampling& s) {
  size_t n = order.size();
  if (s.top_k > 0) n = std::min<size_t>(n, size_t(s.top_k));
  const double top = double(logits[size_t(order[0])]) / s.temperature;
  std::vector<double> p(n);
  double sum = 0;
  for (size_t i = 0; i < n; ++i) sum += p[i] = std::exp(double(logits[size_t(order[i])]) / s.temperature - top);
  if (s.top_p < 1) {
    double reached = 0;
    size_t i = 0;
    while (i < n && reached < s.top_p * sum) reached += p[i++];
    n = std::max<size_t>(1, i);
  }
  if (s.min_p > 0) {
    while (n > 1 && p[n - 1] < s.min_p * p[0]) --n;
  }
  return n;
}

}  // namespace

void check(const Sampling& s) {
  const auto within = [](double value, double low, double high, const char* name) {
    if (!(value >= low && value <= high))
      fail_usage("sampling", "{} is {}; it must lie in [{}, {}]", name, value, low, high);
  };
  within(s.temperature, 0, 100, "temperature");
  within(s.top_p, 1e-9, 1, "top_p");
  within(s.min_p, 0, 1, "min_p");
  within(double(s.top_k), 0, 1e9, "top_k");
}

double gumbel(uint64_t seed, uint64_t sequence, uint64_t step, uint64_t token) {
  const auto block = philox(seed, sequence, step << 32 | token >> 2);
  const double u = (double(block[token & 3]) + 0.5) * 0x1.0p-32;
  return -std::log(-std::log(u));
}

int32_t sample(std::span<const float> logits, const Sampling& sampling, uint64_t sequence, uint64_t step) {
  const auto best = std::max_element(logits.begin(), logits.end());
  if (sampling.temperature <= 0) return int32_t(best - logits.begin());
  // Tokens further than this below the best have no chance that a 32-bit noise could give them.
  const double floor = double(*best) - 48.0 * sampling.temperature;
  std::vector<int32_t> order;
  for (size_t i = 0; i < logits.size(); ++i)
    if (double(logits[i]) >= floor) order.push_back(int32_t(i));
  size_t n = order.size();
  if (sampling.top_k > 0 || sampling.top_p < 1 || sampling.min_p > 0) {
    const std::vector<float> values(logits.begin(), logits.end());
    std::sort(order.begin(), order.end(), [&](int32_t a, int32_t b) {
      return values[size_t(a)] != values[size_t(b)] ? values[size_t(a)] > values[size_t(b)] : a < b;
    });
    n = kept(values, order, sampling);
  }
  int32_t chosen = order[0];
  double highest = -INFINITY;
  for (size_t i = 0; i < n; ++i) {
    const int32_t token = order[i];
    const double value =
        double(logits[size_t(token)]) / sampling.temperature + gumbel(sampling.seed, sequence, step, uint64_t(token));
    if (value > highest || (value == highest && token < chosen)) highest = value, chosen = token;
  }
  return chosen;
}

}  // namespace ken::generate
