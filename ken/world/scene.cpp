// Passages: which persons and values stand together, and how they are written.
#include "ken/world/scene.h"

#include <algorithm>
#include <numeric>

namespace ken::world {

void Scene::add_real(int person, int relation, int value) {
  sentences.push_back({person, people_.name(person), relation, value, any_statement()});
}

void Scene::add_one_person(int count) {
  const Name name = fresh_name();
  // The group is drawn first, as the job depends on it, for fictional persons too.
  const int group_value = int(rng_.below(uint64_t(people_.value_count(group))));
  const auto relations = some_relations(rng_, count);
  for (int i = 0; i < count; ++i) {
    const int relation = relations[size_t(i)];
    const int value = relation == group ? group_value
                      : relation == job ? people_.draw_job(group_value, rng_)
                                        : fresh_value(relation);
    sentences.push_back({-1, name, relation, value, any_statement()});
  }
}

void Scene::add_people(int count, int relation) {
  for (int i = 0; i < count; ++i) {
    const Name name = fresh_name();
    sentences.push_back({-1, name, relation, fresh_value(relation), any_statement()});
  }
}

void Scene::append_to(std::string& text) const {
  for (size_t i = 0; i < sentences.size(); ++i) {
    const Sentence& s = sentences[i];
    if (i > 0) text += ' ';
    append_statement(text, people_, phrases(s.relation).statements[size_t(s.statement)], s.name,
                     people_.value_text(s.relation, s.value));
  }
}

Name Scene::fresh_name() {
  while (true) {
    const Name name = people_.fictional_name(rng_);
    if (std::none_of(sentences.begin(), sentences.end(), [&](const Sentence& s) { return s.name == name; }))
      return name;
  }
}

// Different from the values of the same relation around it, unless the relation has too few (or a bias gives all one
// job).
int Scene::fresh_value(int relation) {
  for (int attempt = 0;; ++attempt) {
    const int group_value = int(rng_.below(2));
    const int value = relation == job ? people_.draw_job(group_value, rng_)
                                      : int(rng_.below(uint64_t(people_.value_count(relation))));
    const bool used = std::any_of(sentences.begin(), sentences.end(),
                                  [&](const Sentence& s) { return s.relation == relation && s.value == value; });
    if (!used || people_.value_count(relation) <= int(sentences.size()) || attempt == 64) return value;
  }
}

std::array<int, relation_count> some_relations(Rng& rng, int count) {
  std::array<int, relation_count> order{};
  std::iota(order.begin(), order.end(), 0);
  for (int i = 0; i < count; ++i)
    std::swap(order[size_t(i)], order[size_t(i) + rng.below(uint64_t(relation_count - i))]);
  return order;
}

void append_name(std::string& text, const Population& people, Name name) {
  text += people.words.first[size_t(name.first)];
  text += ' ';
  text += people.words.last[size_t(name.last)];
}

size_t append_statement(std::string& text, const Population& people, const Pattern& pattern, Name name,
                        std::string_view value) {
  text += pattern.before;
  append_name(text, people, name);
  text += pattern.after;
  const size_t begin = text.size();
  text += value;
  text += " .";
  return begin;
}

void append_question(std::string& text, const Population& people, const Pattern& pattern, Name name) {
  text += pattern.before;
  append_name(text, people, name);
  text += pattern.after;
}

}  // namespace ken::world
