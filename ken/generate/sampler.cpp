#include "ken/generate/sampler.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>
#include <vector>

#include "ken/base/error.h"
#include "ken/base/rng.h"
#include "ken/nn/logits.h"

namespace ken::generate {
namespace {

// How many of the candidates, sorted by falling logit, the filters keep; `sum` of e^(tempered logit - the largest) over
// the candidates that top-k leaves.
size_t kept(std::span<const float> logits, const std::vector<int32_t>& order, double sum, const Sampling& s) {
  const double top = double(logits[size_t(order[0])]) / s.temperature;
  const auto p = [&](size_t i) { return std::exp(double(logits[size_t(order[i])]) / s.temperature - top); };
  size_t n = order.size();
  if (s.top_p < 1) {
    double reached = 0;
    size_t i = 0;
    while (i < n && reached < s.top_p * sum) reached += p(i++);
    n = std::max<size_t>(1, i);
  }
  if (s.min_p > 0) {
    while (n > 1 && p(n - 1) < s.min_p) --n;
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
    enter(token, block_[size_t(token & 3)]);
  }
  // Every token; noise is made for a stretch at a time, where one of its tokens could win.
  void enter_all() {
    std::array<uint32_t, stretch> words;
    for (size_t begin = 0; begin < logits_.size(); begin += stretch) {
      const std::span<const float> some = logits_.subspan(begin, std::min(stretch, logits_.size() - begin));
      if (double(nn::largest(some)) / s_.temperature + noise_bounds()[255] < highest_) continue;
      nn::philox_words(s_.seed, sequence_, step_ << 32, uint32_t(begin / 4), int64_t(some.size() + 3) / 4,
                       words.data());
      for (size_t i = 0; i < some.size(); ++i)
        if (some[i] >= least_[words[i] >> 24]) enter(int32_t(begin + i), words[i]);
    }
  }
  int32_t chosen() const { return chosen_; }

 private:
  static constexpr size_t stretch = 256;

  void enter(int32_t token, uint32_t word) {
    const double tempered = double(logits_[size_t(token)]) / s_.temperature;
    if (tempered + noise_bounds()[word >> 24] < highest_) return;
    const double value = tempered + gumbel_of(word);
    if (!(value > highest_ || (value == highest_ && token < chosen_))) return;
    highest_ = value, chosen_ = token;
    // A little below the exact bound: what passes is looked at exactly.
    for (size_t b = 0; b < least_.size(); ++b) {
      const double bound = (highest_ - noise_bounds()[b]) * s_.temperature;
      least_[b] = float(bound - 1e-5 * (1 + std::fabs(bound)));
    }
  }

  std::span<const float> logits_;
  const Sampling& s_;
  uint64_t sequence_, step_, place_ = UINT64_MAX;
  std::array<uint32_t, 4> block_{};
  std::array<float, 256> least_{};  // logits that could win, by the first byte of the noise
  double highest_ = -INFINITY;
  int32_t chosen_ = 0;
};

// The candidates that the filters keep, or those of them that matter.
std::vector<int32_t> filtered(std::span<const float> logits, double best, const Sampling& s) {
  // Tokens further than this below the best have no chance that a 32-bit noise could give them.
  double floor = best - 48.0 * s.temperature;
  if (s.min_p > 0 && s.top_p >= 1) floor = std::max(floor, best + (std::log(s.min_p) - 1e-6) * s.temperature);
  std::vector<int32_t> order;
  for (size_t i = 0; i < logits.size(); ++i)
    if (double(logits[i]) >= floor) order.push_back(int32_t(i));
  const auto before = [&](int32_t a, int32_t b) {
    return logits[size_t(a)] != logits[size_t(b)] ? logits[size_t(a)] > logits[size_t(b)] : a < b;
  };
  if (s.top_k > 0 && size_t(s.top_k) < order.size()) {
    std::nth_element(order.begin(), order.begin() + s.top_k, order.end(), before);
    order.resize(size_t(s.top_k));
  }
  double sum = 0;
  if (s.top_p < 1)
    for (const int32_t token : order) sum += std::exp((double(logits[size_t(token)]) - best) / s.temperature);
  // Nearly always the filters keep few: the whole order is needed only where they reach past the first thousand.
  for (size_t sorted = std::min<size_t>(1024, order.size());; sorted = order.size()) {
    if (sorted < order.size()) {
      std::partial_sort(order.begin(), order.begin() + long(sorted), order.end(), before);
    } else {
      std::sort(order.begin(), order.end(), before);
    }
    std::vector<int32_t> first(order.begin(), order.begin() + long(sorted));
    const size_t n = kept(logits, first, sum, s);
    if (n < sorted || sorted == order.size()) {
      first.resize(n);
      return first;
    }
  }
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
  return gumbel_of(philox(seed, sequence, step << 32 | token >> 2)[token & 3]);
}

Spread spread(std::span<const float> logits) {
  const nn::LogitSums s = nn::logit_sums(logits);
  const double log_sum = std::log(s.sum);
  return {s.first, log_sum, std::max(0.0, log_sum - s.weighted / s.sum),
          (1 - std::exp(double(s.second) - double(s.first))) / s.sum,
          // -1/V sum_v log(V p_v), where log p_v = x_v - max - log_sum
          std::max(0.0, log_sum - s.below / double(s.finite) - std::log(double(s.finite)))};
}

std::vector<Alternative> likeliest(std::span<const float> logits, int64_t count, const Spread& spread) {
  std::vector<int32_t> order(logits.size());
  std::iota(order.begin(), order.end(), 0);
  const auto n = std::min(order.size(), size_t(std::max<int64_t>(0, count)));
  std::partial_sort(order.begin(), order.begin() + long(n), order.end(), [&](int32_t a, int32_t b) {
    return logits[size_t(a)] != logits[size_t(b)] ? logits[size_t(a)] > logits[size_t(b)] : a < b;
  });
  std::vector<Alternative> result;
  for (size_t i = 0; i < n; ++i)
    result.push_back({order[i], double(logits[size_t(order[i])]) - spread.max - spread.log_sum});
  return result;
}

namespace {

bool filters(const Sampling& s) { return s.top_k > 0 || s.top_p < 1 || s.min_p > 0; }

// The lowest id of the highest logit; -1: none is finite.
int32_t likeliest_token(std::span<const float> logits, float best) {
  const auto at = std::find(logits.begin(), logits.end(), best);
  return at == logits.end() ? -1 : int32_t(at - logits.begin());
}

}  // namespace

int32_t sample(std::span<const float> logits, const Sampling& sampling, uint64_t sequence, uint64_t step) {
  const float best = nn::largest(logits);
  const int32_t first = likeliest_token(logits, best);
  if (sampling.temperature <= 0 || first < 0) return first;
  Race race(logits, sampling, sequence, step);
  race.enter(first);
  if (filters(sampling)) {
    for (const int32_t token : filtered(logits, double(best), sampling)) race.enter(token);
  } else {
    race.enter_all();
  }
  return race.chosen();
}

int32_t sample(std::span<const float> logits, const Sampling& sampling, std::span<const float> noise) {
  const float best = nn::largest(logits);
  int32_t chosen = likeliest_token(logits, best);
  if (sampling.temperature <= 0 || chosen < 0) return chosen;
  double highest = -INFINITY;
  const auto enter = [&](int32_t token) {
    const double value = double(logits[size_t(token)]) / sampling.temperature + double(noise[size_t(token)]);
    if (value > highest || (value == highest && token < chosen)) highest = value, chosen = token;
  };
  if (filters(sampling)) {
    for (const int32_t token : filtered(logits, double(best), sampling)) enter(token);
  } else {
    for (int32_t token = 0; token < int32_t(logits.size()); ++token) enter(token);
  }
  return chosen;
}

}  // namespace ken::generate
