#include "ken/kernels/sampling.h"

#include <algorithm>

#include "ken/kernels/simd.h"

namespace ken::kernels {
namespace {

constexpr int64_t lanes = 16;

// Sixteen tokens at a time, each lane with its own pair of largest.
KEN_INLINE void two_largest(const float* x, int64_t n, float& first, float& second) {
  float top[lanes], next[lanes];
  for (int64_t l = 0; l < lanes; ++l) top[l] = next[l] = -INFINITY;
  int64_t i = 0;
  for (; i + lanes <= n; i += lanes) {
#pragma omp simd
    for (int64_t l = 0; l < lanes; ++l) {
      const float value = x[i + l], lower = value < top[l] ? value : top[l];
      next[l] = lower > next[l] ? lower : next[l];
      top[l] = value > top[l] ? value : top[l];
    }
  }
  first = second = -INFINITY;
  const auto enter = [&](float value) {
    second = std::max(second, std::min(first, value));
    first = std::max(first, value);
  };
  for (int64_t l = 0; l < lanes; ++l) enter(top[l]), enter(next[l]);
  for (; i < n; ++i) enter(x[i]);
}

constexpr int64_t stretch = 1024;  // f32 sums stay exact enough, double ones are rare

KEN_INLINE double sum_lanes(const float* x, int64_t n) {
  float lane[lanes] = {};
  int64_t i = 0;
  for (; i + lanes <= n; i += lanes) {
#pragma omp simd
    for (int64_t l = 0; l < lanes; ++l) lane[l] += x[i + l];
  }
  double sum = 0;
  for (int64_t l = 0; l < lanes; ++l) sum += double(lane[l]);
  for (; i < n; ++i) sum += double(x[i]);
  return sum;
}

// The sums of up to `stretch` tokens. -inf has no chance, and no weight.
KEN_INLINE void add_stretch(const float* x, int64_t n, LogitSums& to) {
  const float top = to.first;
  float e[stretch], w[stretch], b[stretch], one[stretch];
#pragma omp simd
  for (int64_t i = 0; i < n; ++i) {
    const float below = x[i] - top;
    e[i] = exp_(below);
    w[i] = e[i] > 0 ? e[i] * below : 0.0f;
    const bool finite = x[i] > -INFINITY;
    b[i] = finite ? below : 0.0f;
    one[i] = finite ? 1.0f : 0.0f;
  }
  to.sum += sum_lanes(e, n);
  to.weighted += sum_lanes(w, n);
  to.below += sum_lanes(b, n);
  to.finite += int64_t(sum_lanes(one, n));
}

}  // namespace

KEN_CLONES LogitSums logit_sums(std::span<const float> x) {
  LogitSums result;
  const auto n = int64_t(x.size());
  two_largest(x.data(), n, result.first, result.second);
  for (int64_t i = 0; i < n; i += stretch) add_stretch(x.data() + i, std::min(stretch, n - i), result);
  return result;
}

KEN_CLONES float largest(std::span<const float> x) {
  float result = -INFINITY;
#pragma omp simd reduction(max : result)
  for (size_t i = 0; i < x.size(); ++i) result = x[i] > result ? x[i] : result;
  return result;
}

KEN_CLONES void philox_words(uint64_t key, uint64_t high, uint64_t low, uint32_t first, int64_t count,
                             uint32_t* words) {
  for (int64_t begin = 0; begin < count; begin += lanes) {
    uint32_t a[lanes], b[lanes], c[lanes], d[lanes];
    for (int64_t l = 0; l < lanes; ++l) {
      a[l] = uint32_t(low) | (first + uint32_t(begin + l)), b[l] = uint32_t(low >> 32);
      c[l] = uint32_t(high), d[l] = uint32_t(high >> 32);
    }
    uint32_t k0 = uint32_t(key), k1 = uint32_t(key >> 32);
    for (int round = 0; round < 10; ++round) {
#pragma omp simd
      for (int64_t l = 0; l < lanes; ++l) {
        const uint64_t p0 = uint64_t{0xD2511F53} * a[l], p1 = uint64_t{0xCD9E8D57} * c[l];
        a[l] = uint32_t(p1 >> 32) ^ b[l] ^ k0, b[l] = uint32_t(p1);
        c[l] = uint32_t(p0 >> 32) ^ d[l] ^ k1, d[l] = uint32_t(p0);
      }
      k0 += 0x9E3779B9;
      k1 += 0xBB67AE85;
    }
    const int64_t n = std::min(lanes, count - begin);
    for (int64_t l = 0; l < n; ++l) {
      uint32_t* to = words + (begin + l) * 4;
      to[0] = a[l], to[1] = b[l], to[2] = c[l], to[3] = d[l];
    }
  }
}

}  // namespace ken::kernels
