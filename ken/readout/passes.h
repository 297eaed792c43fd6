// Which prompts share a packed pass, and how many logits are held.
#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

namespace ken::readout {

inline constexpr int64_t max_pass_tokens = 4096;  // of a packed pass over several prompts

inline constexpr int64_t logits_at_once = 1 << 22;  // that are held beside one another: 16 MB in f32

struct PassRange {
  size_t first, last;  // [first, last)
};

// n prompts in their order, as many a pass as its tokens hold and at least one; length(i): tokens of prompt i.
template <typename Length>
std::vector<PassRange> passes(size_t n, Length length) {
  std::vector<PassRange> all;
  int64_t tokens = 0;
  for (size_t i = 0; i < n; ++i) {
    const int64_t more = int64_t(length(i));
    if (all.empty() || tokens + more > max_pass_tokens) {
      all.push_back({i, i});
      tokens = 0;
    }
    all.back().last = i + 1;
    tokens += more;
  }
  return all;
}

}  // namespace ken::readout
