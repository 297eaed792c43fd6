// The almanac's words: names, places and values. They depend on the number of persons only, never on the seed, so that
// a vocabulary trained on one world reads every other world of its size.
#pragma once
#include <array>
#include <string>
#include <vector>

namespace ken::world {

enum Relation : int { birth_city, employer, field, university, birth_year, job, group, book };
inline constexpr int relation_count = 8;
inline constexpr int topic_size = 40;     // things of a topic
inline constexpr int report_count = 120;  // reports, whose titles are no person's book

struct Vocabulary {
  std::vector<std::string> first, last, countries;
  std::vector<std::string> adjectives, nouns;                     // a title is one of each
  std::array<std::vector<std::string>, relation_count> values;    // of `book`: none, titles are put together
  std::array<std::vector<std::string>, relation_count> values2;   // where the second language has other words
  std::vector<std::string> flowers, ships, gems, colours, dates;  // of the topics and of what changes with time
  std::vector<std::string> warm, cold;                            // two tones
};
Vocabulary make_vocabulary(int persons);

}  // namespace ken::world
