// A fixed set of byte strings with an id each, walked byte by byte: children of a node lie side by side, in order.
// Private to text/.
#pragma once
#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

namespace ken::text {

class Trie {
 public:
  Trie() = default;
  // Of equal strings the first stands; an empty one is left out.
  explicit Trie(std::vector<std::pair<std::string_view, int32_t>> entries);

  static constexpr uint32_t none = UINT32_MAX;
  uint32_t root() const { return 0; }
  // The node that `byte` leads to, or none.
  uint32_t next(uint32_t node, uint8_t byte) const;
  int32_t id(uint32_t node) const { return nodes_[node].id; }  // -1: no string ends here

 private:
  struct Node {
    uint32_t first = 0;  // of its children
    uint16_t children = 0;
    uint8_t label = 0;
    int32_t id = -1;
  };
  std::vector<Node> nodes_{1};
};

}  // namespace ken::text
