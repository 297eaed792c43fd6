// Counter-based noise (Philox 4x32-10, Salmon et al. 2011): a number depends only on its key and counter, never on how
// many were drawn before, so results do not depend on batching, order or threads.
#pragma once
#include <array>
#include <cmath>
#include <cstdint>

namespace ken {

inline std::array<uint32_t, 4> philox(uint64_t key, uint64_t high, uint64_t low) {
  std::array<uint32_t, 4> c{uint32_t(low), uint32_t(low >> 32), uint32_t(high), uint32_t(high >> 32)};
  uint32_t k0 = uint32_t(key), k1 = uint32_t(key >> 32);
  for (int round = 0; round < 10; ++round) {
    const uint64_t p0 = uint64_t{0xD2511F53} * c[0], p1 = uint64_t{0xCD9E8D57} * c[2];
    c = {uint32_t(p1 >> 32) ^ c[1] ^ k0, uint32_t(p1), uint32_t(p0 >> 32) ^ c[3] ^ k1, uint32_t(p0)};
    k0 += 0x9E3779B9;
    k1 += 0xBB67AE85;
  }
  return c;
}

// A stream of numbers for one key and one stream id; copying it copies its place.
class Rng {
 public:
  // From the given block of four numbers on.
  explicit Rng(uint64_t seed, uint64_t stream = 0, uint64_t block = 0)
      : seed_(seed), stream_(stream), counter_(block) {}

  uint32_t next() {
    if (used_ == 4) {
      block_ = philox(seed_, stream_, counter_++);
      used_ = 0;
    }
    return block_[used_++];
  }
  uint64_t next64() {
    const uint64_t high = next();
    return high << 32 | next();
  }
  double uniform() { return double(next64() >> 11) * 0x1.0p-53; }  // [0, 1)
  uint64_t below(uint64_t n) {                                     // [0, n), n > 0; bias < n / 2^64
    return uint64_t((static_cast<unsigned __int128>(next64()) * n) >> 64);
  }
  bool chance(double p) { return uniform() < p; }
  double normal() {  // Box-Muller, one of the pair
    const double u = 1.0 - uniform(), v = uniform();
    return std::sqrt(-2.0 * std::log(u)) * std::cos(6.283185307179586 * v);
  }
  template <typename Range>
  void shuffle(Range& range) {
    for (size_t i = range.size(); i > 1; --i) std::swap(range[i - 1], range[below(i)]);
  }

 private:
  uint64_t seed_, stream_, counter_;
  std::array<uint32_t, 4> block_{};
  int used_ = 4;
};

}  // namespace ken
