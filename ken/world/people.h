// Who lives in the almanac and what is true of them; which splits a person belongs to; how persons are drawn. Nothing
// is stored by person: all follows from (seed, index), so a world of a million persons takes no more memory than one of
// a thousand.
#pragma once
#include <string>

#include "ken/base/permutation.h"
#include "ken/world/vocabulary.h"
#include "ken/world/world.h"

namespace ken::world {

// Streams below this are documents; the world itself and its questions draw from streams above.
inline constexpr uint64_t setup_stream = uint64_t{1} << 63, person_streams = setup_stream + (uint64_t{1} << 62);

struct Name {
  int first = 0, last = 0;
  bool operator==(const Name&) const = default;
};

struct Population {
  explicit Population(const WorldParams& params);

  WorldParams params;
  Vocabulary words;

  int size() const { return params.people + params.unseen; }  // known persons first, then unseen ones
  bool seen(int person) const { return person < params.people; }
  Name name(int person) const { return name_of(names_.at(uint64_t(person))); }
  std::array<int, relation_count> values(int person) const;
  int truth(int person, int relation) const { return values(person)[size_t(relation)]; }
  // How often documents speak of a known person, relative to others: log-uniform in [1, exposure_ratio].
  double weight(int person) const;
  bool second_language(int person) const;  // whether a known person occurs in documents of the second language
  // A known person of whom `keep` holds, drawn by weight. Some person must be kept.
  template <typename Keep>
  int draw(Rng& rng, Keep keep) const {
    while (true) {
      const int person = int(rng.below(uint64_t(params.people)));
      if (keep(person) && rng.uniform() * params.exposure_ratio < weight(person)) return person;
    }
  }

  std::string name_text(Name name) const {
    return words.first[size_t(name.first)] + " " + words.last[size_t(name.last)];
  }
  std::string title(uint64_t place) const;  // titles of persons' books come first, then free ones
  int value_count(int relation) const;
  std::string value_text(int relation, int value) const;
  std::string value_text2(int relation, int value) const;  // in the second language
  int country_of(int city) const { return country_[size_t(city)]; }
  int office_of(int company) const { return office_[size_t(company)]; }  // a city
  int draw_job(int group_value, Rng& rng) const;                         // the group bias
  int other_value(int relation, int value, Rng& rng) const;
  Name fictional_name(Rng& rng) const;    // one that no person bears
  double memory_share(int person) const;  // how often documents resolve a conflict from memory

 private:
  Name name_of(uint64_t pair) const { return {int(pair / words.last.size()), int(pair % words.last.size())}; }
  Permutation names_, titles_, ranks_, languages_;
  std::vector<int> country_, office_;
};

// Splits by index; the patterns are shifted against each other, so that no split decides another.
inline bool in_questions(int person) { return (person + person / 10) % 10 != 9; }  // 9 of 10; others: statements only
inline bool in_claims(int person) { return (3 * person + person / 10) % 10 < 7; }  // 7 of 10
inline bool in_conflicts(int person) { return (person + person / 8) % 8 != 3; }    // 7 of 8, by person
inline bool in_reversed(int person) { return person % 2 == 0; }                    // every other
inline bool in_hops(int person) { return (person + person / 4) % 4 != 1; }         // 3 of 4: asked in several hops
// Whether documents may dispute the pair (conflict, intent, note, correction, compare): 7 of 10 pairs of the persons of
// whom anything is disputed.
inline bool disputed_pair(int person, int relation) {
  return in_conflicts(person) && in_questions(person) && (7 * person + person / 3 + 3 * relation) % 10 < 7;
}
// Whether only the second language states the pair: 1 of 6 pairs of the persons who occur in it.
inline bool only_second(const Population& people, int person, int relation) {
  return (person + person / 6 + 2 * relation) % 6 == 4 && relation != group && people.second_language(person);
}

}  // namespace ken::world
