// A random order of 0..n-1 that is computed, not stored: a Feistel network on the next power of four, walked until it
// lands inside (cycle walking: Black and Rogaway 2002). Both directions take constant memory and a few rounds.
#pragma once
#include <utility>

#include "ken/base/rng.h"

namespace ken {

class Permutation {
 public:
  Permutation(uint64_t n, uint64_t seed, uint64_t stream) : n_(n), seed_(seed), stream_(stream) {
    while (half_ < 32 && (uint64_t{1} << (2 * half_)) < n) ++half_;
  }
  uint64_t size() const { return n_; }
  // The element at place `x`, x < size(); where the element `y` stands.
  uint64_t at(uint64_t x) const {
    do x = rounds(x, 0, 1);
    while (x >= n_);
    return x;
  }
  uint64_t place(uint64_t y) const {
    do y = rounds(y, 3, -1);
    while (y >= n_);
    return y;
  }

 private:
  uint64_t rounds(uint64_t x, int first, int step) const {
    const uint64_t mask = (uint64_t{1} << half_) - 1;
    uint64_t left = x >> half_, right = x & mask;
    if (step < 0) std::swap(left, right);
    for (int round = first; round >= 0 && round < 4; round += step) {
      const uint64_t mixed = philox(seed_, stream_, uint64_t(round) << 56 | right)[0] & mask;
      left ^= mixed;
      std::swap(left, right);
    }
    if (step < 0) std::swap(left, right);
    return left << half_ | right;
  }

  uint64_t n_, seed_, stream_;
  int half_ = 1;
};

}  // namespace ken
