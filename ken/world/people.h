// Who lives in the almanac and what is true of them; which splits a person belongs to; how persons are drawn.
#pragma once
#include <string>
#include <vector>

#include "ken/base/rng.h"
#include "ken/world/vocabulary.h"
#include "ken/world/world.h"

namespace ken::world {

// Streams below this are documents; the world itself and its questions draw from streams above.
inline constexpr uint64_t setup_stream = uint64_t{1} << 63;

struct Name {
  int first = 0, last = 0;
  bool operator==(const Name&) const = default;
};

struct Person {
  Name name;
  std::array<int, relation_count> values{};
  double weight = 0;  // how often documents speak of the person, relative to others; 0 = unseen
  bool second_language = false;
};

// Draws a member with a chance proportional to its weight.
class Lottery {
 public:
  void add(int member, double weight);
  int draw(Rng& rng) const;

 private:
  std::vector<int> members_;
  std::vector<double> sums_;
};

struct Population {
  explicit Population(const WorldParams& params);

  WorldParams params;
  Vocabulary words;
  std::vector<Person> persons;  // known, then unseen
  std::vector<int> country;     // of each city
  Lottery known, asked, claimed, in_conflict, reversed, second, asked_second;

  bool seen(int person) const { return person < params.people; }
  std::string name_text(Name name) const {
    return words.first[size_t(name.first)] + " " + words.last[size_t(name.last)];
  }
  const std::string& value_text(int relation, int value) const { return words.values[size_t(relation)][size_t(value)]; }
  int value_count(int relation) const { return int(words.values[size_t(relation)].size()); }
  int draw_job(int group_value, Rng& rng) const;  // the group bias
  int other_value(int relation, int value, Rng& rng) const;
  Name fictional_name(Rng& rng) const;    // one that no person bears
  double memory_share(int person) const;  // how often documents resolve a conflict from memory

 private:
  size_t pair_of(Name name) const { return size_t(name.first) * words.last.size() + size_t(name.last); }
  void add_person(Rng& rng, int title, bool known_person);
  void fill_lotteries();
  std::vector<bool> taken_;  // name pairs that persons bear
};

// Splits by index; the patterns are shifted against each other, so that no split decides another.
inline bool in_questions(int person) { return (person + person / 10) % 10 != 9; }  // 9 of 10; others: statements only
inline bool in_claims(int person) { return (3 * person + person / 10) % 10 < 7; }  // 7 of 10
inline bool in_conflicts(int person) { return (person + person / 8) % 8 != 3; }    // 7 of 8, by person
inline bool in_reversed(int person) { return person % 2 == 0; }                    // every other
// Whether conflict and intent documents may hold the pair: 7 of 10 pairs of the persons that occur there at all.
inline bool conflict_trained(int person, int relation) {
  return in_conflicts(person) && in_questions(person) && (7 * person + person / 3 + 3 * relation) % 10 < 7;
}

}  // namespace ken::world
