#include "ken/generate/sampler.h"

#include <algorithm>
#include <array>
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

double gumbel_of(uint32_t word) { return -std::log(-std::log((double(word) + 0.5) * 0x1.0p-32)); }

// The largest noise of each range of words that share their first byte: noise rises with the word.
const std::array<double, 256>& noise_bounds() {
  static const std::array<double, 256> bounds = [] {
    std::array<double, 256> result{};
    for (uint32_t first = 0; first < 256; ++first) result[first] = gumbel_of(first << 24 | 0xFFFFFF);
    return result;
  }();
  return bounds;
}

// The best of tempered logit + noise. Two logarithms a token cost more than a small model's forward pass, so they are
// taken only where the bound of the noise could still win; the result is that of taking all.
class Race {
 public:
  Race(std::span<const float> logits, const Sampling& s, uint64_t sequence, uint64_t step)
      : logits_(logits), s_(s), sequence_(sequence), step_(step) {}
  void enter(int32_t token) {
    const double tempered = double(logits_[size_t(token)]) / s_.temperature;
    if (tempered + noise_bounds()[255] < highest_) return;
    const uint64_t place = uint64_t(token) >> 2;
    if (place != place_) block_ = philox(s_.seed, sequence_, step_ << 32 | place), place_ = place;
    const uint32_t word = block_[size_t(token & 3)];
    if (tempered + noise_bounds()[word >> 24] < highest_) return;
    const double value = tempered + gumbel_of(word);
    if (value > highest_ || (value == highest_ && token < chosen_)) highest_ = value, chosen_ = token;
  }
  int32_t chosen() const { return chosen_; }

 private:
  std::span<const float> logits_;
  const Sampling& s_;
  uint64_t sequence_, step_, place_ = UINT64_MAX;
  std::array<uint32_t, 4> block_{};
  double highest_ = -INFINITY;
  int32_t chosen_ = 0;
};

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
  return gumbel_of(philox(seed, sequence, step << 32 | token >> 2)[token & 3]);
}

Spread spread(std::span<const float> logits) {
  float first = -INFINITY, second = -INFINITY;
  for (const float x : logits) {
    second = std::max(second, std::min(first, x));
    first = std::max(first, x);
  }
  double sum = 0, weighted = 0;
  for (const float x : logits) {
    const float below = x - first, e = std::exp(below);
    sum += e;
    if (e > 0) weighted += double(e) * below;
  }
  const double log_sum = std::log(sum);
  return {first, log_sum, std::max(0.0, log_sum - weighted / sum), (1 - std::exp(double(second) - first)) / sum};
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
  Race race(logits, sampling, sequence, step);
  race.enter(int32_t(best - logits.begin()));
  for (size_t i = 0; i < n; ++i) race.enter(order[i]);
  return race.chosen();
}

}  // namespace ken::generate
