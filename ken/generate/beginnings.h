// Token sequences whose keys and values stay in the cache, for rows that begin with them.
#pragma once
#include "ken/nn/kv_cache.h"

namespace ken::generate {

// How many tokens two texts begin with in common.
size_t common_beginning(const std::vector<int32_t>& a, const std::vector<int32_t>& b);

class Beginnings {
 public:
  static constexpr int64_t least = 4;   // a shorter one is not worth its keeping
  static constexpr size_t most = 4096;  // each is looked at when a row begins

  explicit Beginnings(nn::KvCache& cache) : cache_(cache) {}
  // A sequence that begins as these tokens do and how many of them it holds: all but the last at most, for that one's
  // logits are wanted.
  std::pair<int, size_t> fork(const std::vector<int32_t>& tokens);
  // Takes over a sequence that holds these tokens. Those that this one begins with go.
  void add(std::vector<int32_t> tokens, int sequence);
  // Those not used for longest go, until all take so many tokens together, in whole blocks.
  void shrink(int64_t tokens);

 private:
  struct Beginning {
    std::vector<int32_t> tokens;
    int sequence;
    uint64_t used;
  };
  nn::KvCache& cache_;
  std::vector<Beginning> all_;
  uint64_t uses_ = 0;
};

}  // namespace ken::generate
