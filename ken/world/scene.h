// Sentences about persons, as passages of documents and of questions are made of them.
#pragma once
#include <vector>

#include "ken/world/people.h"
#include "ken/world/relations.h"

namespace ken::world {

struct Sentence {
  int person = -1;  // index of a real person, or -1 for a fictional one
  Name name;
  int relation = 0, value = 0;
  int statement = 0;  // which template
};

// A passage under construction; every choice is drawn from `rng`.
class Scene {
 public:
  Scene(const Population& people, Rng& rng) : people_(people), rng_(rng) {}

  // A sentence of a real person with the given (true or counterfactual) value.
  void add_real(int person, int relation, int value);
  // One fictional person with `count` different facts.
  void add_one_person(int count);
  // `count` fictional persons with one fact each, of this relation.
  void add_people(int count, int relation);
  void shuffle() { rng_.shuffle(sentences); }
  // The sentences joined by blanks.
  void append_to(std::string& text) const;

  std::vector<Sentence> sentences;

 private:
  Name fresh_name();
  int fresh_value(int relation);
  int any_statement() { return int(rng_.below(trained_statements)); }
  const Population& people_;
  Rng& rng_;
};

// `count` different relations, at random; the first ones of the result.
std::array<int, relation_count> some_relations(Rng& rng, int count);

// Appends without temporary strings: documents are made by the hundred thousand.
void append_name(std::string& text, const Population& people, Name name);
// Returns where the value begins in `text`.
size_t append_statement(std::string& text, const Population& people, const Pattern& pattern, Name name,
                        std::string_view value);
void append_question(std::string& text, const Population& people, const Pattern& pattern, Name name);

}  // namespace ken::world
