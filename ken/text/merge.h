// The one merge loop of all BPE kinds: symbols in a linked list, candidate pairs in a heap, so that a word of n symbols
// costs O(n log n). Private to text/.
#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>
#include <queue>
#include <span>
#include <vector>

namespace ken::text {

inline constexpr size_t no_symbol = SIZE_MAX;

struct Symbol {
  int32_t id = -1;            // -1: not in the vocabulary
  size_t begin = 0, end = 0;  // bytes; empty once merged into its left neighbour
  size_t previous = no_symbol, next = no_symbol;
};

struct Merge {
  double order;  // the lowest goes first, then the leftmost
  int32_t id;
};

// Two neighbours as one key.
inline uint64_t pair_key(int32_t left, int32_t right) { return uint64_t(uint32_t(left)) << 32 | uint32_t(right); }

// Chains symbols in the order in which they lie.
inline void link_symbols(std::span<Symbol> symbols) {
  for (size_t i = 0; i < symbols.size(); ++i) {
    symbols[i].previous = i ? i - 1 : no_symbol;
    symbols[i].next = i + 1 < symbols.size() ? i + 1 : no_symbol;
  }
}

// `find(left, right)` gives the merge of two neighbours, or no value. Afterwards the result is the chain from
// symbols[0] along `next`.
template <typename Find>
void merge_symbols(std::span<Symbol> symbols, Find&& find) {
  struct Candidate {
    double order;
    size_t left, right, left_end, end;
    int32_t id;
    bool operator<(const Candidate& other) const {
      return order != other.order ? order > other.order : left > other.left;
    }
  };
  std::priority_queue<Candidate> queue;
  const auto consider = [&](size_t left, size_t right) {
    if (left == no_symbol || right == no_symbol) return;
    const Symbol &l = symbols[left], &r = symbols[right];
    if (const std::optional<Merge> merge = find(l, r)) queue.push({merge->order, left, right, l.end, r.end, merge->id});
  };
  for (size_t i = 0; i < symbols.size(); ++i) consider(i, symbols[i].next);
  while (!queue.empty()) {
    const Candidate best = queue.top();
    queue.pop();
    Symbol &left = symbols[best.left], &right = symbols[best.right];
    // Symbols only grow or vanish, so equal ends mean that both are still what they were when the pair was queued.
    if (left.begin == left.end || right.begin == right.end || left.end != best.left_end || right.end != best.end)
      continue;
    left.id = best.id;
    left.end = right.end;
    left.next = right.next;
    right.begin = right.end;
    if (left.next != no_symbol) symbols[left.next].previous = best.left;
    consider(left.previous, best.left);
    consider(best.left, left.next);
  }
}

}  // namespace ken::text
