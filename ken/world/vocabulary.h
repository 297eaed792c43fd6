// The almanac's words: names, places and values. They depend on the number of persons only, never on the seed, so that
// a vocabulary trained on one world reads every other world of its size.
#pragma once
#include <array>
#include <string>
#include <vector>

namespace ken::world {

enum Relation : int { birth_city, employer, field, university, birth_year, job, group, book };
inline constexpr int relation_count = 8;

struct Vocabulary {
  std::vector<std::string> first, last, countries;
  std::vector<std::string> adjectives, nouns;  // a title is one of each
  std::array<std::vector<std::string>, relation_count> values;
  std::array<std::vector<std::string>, relation_count> values2;  // the same values in the second language
};
Vocabulary make_vocabulary(int persons);

}  // namespace ken::world
