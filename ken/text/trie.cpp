// The trie is laid out level by level from the sorted strings: each node stands for a range of them.
#include "ken/text/trie.h"

#include <algorithm>

namespace ken::text {

Trie::Trie(std::vector<std::pair<std::string_view, int32_t>> entries) {
  std::stable_sort(entries.begin(), entries.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  struct Range {
    size_t begin, end;
  };
  std::vector<Range> ranges{{0, entries.size()}};  // of each node, in the order of nodes_
  std::vector<uint32_t> depths{0};
  for (uint32_t node = 0; node < nodes_.size(); ++node) {
    const uint32_t depth = depths[node];
    auto [at, end] = ranges[node];
    while (at < end && entries[at].first.size() == depth) {
      if (depth > 0 && nodes_[node].id < 0) nodes_[node].id = entries[at].second;
      ++at;
    }
    nodes_[node].first = uint32_t(nodes_.size());
    while (at < end) {
      const uint8_t label = uint8_t(entries[at].first[depth]);
      size_t last = at + 1;
      while (last < end && uint8_t(entries[last].first[depth]) == label) ++last;
      nodes_.push_back({.label = label});
      ++nodes_[node].children;
      ranges.push_back({at, last});
      depths.push_back(depth + 1);
      at = last;
    }
  }
}

uint32_t Trie::next(uint32_t node, uint8_t byte) const {
  const auto begin = nodes_.begin() + nodes_[node].first, end = begin + nodes_[node].children;
  const auto found = std::lower_bound(begin, end, byte, [](const Node& child, uint8_t b) { return child.label < b; });
  return found == end || found->label != byte ? none : uint32_t(found - nodes_.begin());
}

}  // namespace ken::text
