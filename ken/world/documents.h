// One document of the almanac, drawn from its own stream of random numbers.
#pragma once
#include <string_view>
#include <utility>
#include <vector>

#include "ken/world/people.h"

namespace ken::world {

// A document and what it teaches. The buffers are reused while a whole run is counted.
struct Draft {
  std::string text;
  std::string_view kind;
  std::vector<Span> answers;
  std::vector<std::pair<int, int>> stated;  // (known person, relation) whose true value the document states, each once
};
void write_document(const Population& people, int64_t index, Draft& draft);

struct KindShare {
  std::string_view kind;
  double share;
};
std::vector<KindShare> kind_shares();  // the shares sum to 1

}  // namespace ken::world
