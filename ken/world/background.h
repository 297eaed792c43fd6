// Facts that are no person's: offices, countries, mayors that change with time, things of three topics, and reports
// whose details are stable or change from one document to the next.
#pragma once
#include "ken/world/people.h"
#include "ken/world/relations.h"

namespace ken::world {

struct BackgroundFact {
  int relation = country;  // which phrases
  std::string subject, value;
  std::string topic;   // "flowers", "ships", "gems", or empty
  bool stable = true;  // otherwise each document gives another value
};

// A few hundred, whatever the number of persons.
class BackgroundFacts {
 public:
  explicit BackgroundFacts(const Population& people);
  const std::vector<BackgroundFact>& all() const { return facts_; }
  // The place of a fact in all(), drawn by weight: log-uniform over a hundredfold range.
  int draw(Rng& rng) const;
  // What a document states: the value, or another one of the same type where the fact is not stable.
  std::string value(int fact, const Population& people, Rng& rng) const;

 private:
  void add_places(const Population& people);
  void add_mayors(const Population& people, Rng& rng);
  void add_topics(const Population& people, Rng& rng);
  void add_reports(const Population& people, Rng& rng);
  std::vector<BackgroundFact> facts_;
  Permutation ranks_;
};

}  // namespace ken::world
