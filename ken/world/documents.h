// One document of the almanac, drawn from its own stream of random numbers.
#pragma once
#include <string_view>
#include <vector>

#include "ken/world/background.h"
#include "ken/world/people.h"

namespace ken::world {

// What there is to write about.
struct Almanac {
  explicit Almanac(const WorldParams& params) : people(params), background(people) {}
  Population people;
  BackgroundFacts background;
};

// A fact by its place: of a person, one of its relations or then its hops; without a person, a background fact.
inline constexpr int person_facts = relation_count + hop_count;
struct Stated {
  int person = -1, fact = 0;
};

// A document and what it teaches. The buffers are reused while a whole run is counted.
struct Draft {
  std::string text;
  std::string_view kind;
  std::vector<Span> answers;
  std::vector<Stated>
      stated;  // whose true value the document states; a document that states it twice may list it twice
};
void write_document(const Almanac& almanac, int64_t index, Draft& draft);
// A document for tuning: an instruction how to answer, a question, the answer in that form. Teaches no fact.
void write_tuning_document(const Almanac& almanac, int64_t index, Draft& draft);

struct KindShare {
  std::string_view kind;
  double share;
};
std::vector<KindShare> kind_shares();  // the shares sum to 1

}  // namespace ken::world
