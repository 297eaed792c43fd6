// The hand that writes documents: one function a kind, in documents.cpp (what is known) and passages.cpp (what is
// read).
#pragma once
#include "ken/world/documents.h"
#include "ken/world/scene.h"

namespace ken::world {

class Writer {
 public:
  Writer(const Almanac& almanac, Rng& rng, Draft& draft)
      : people_(almanac.people), background_(almanac.background), rng_(rng), draft_(draft), text_(draft.text) {}

  void bio();
  void bio2();
  void qa();
  void qa2();
  void claim();
  void reversed();
  void hop();
  void background();
  void tone();
  void crowd();
  void open();
  void open_true();
  void aside();
  void conflict();
  void intent();
  void note();
  void correction();
  void compare();
  void tuning();

 private:
  // A fact of a known person that English documents speak of.
  struct Topic {
    int person, relation, truth;
  };
  template <typename Keep>
  Topic topic(Keep keep) {
    while (true) {
      const int person = people_.draw(rng_, keep), relation = any_relation();
      if (!only_second(people_, person, relation)) return {person, relation, people_.truth(person, relation)};
    }
  }
  Topic disputed_topic();
  void state(const Topic& t) { draft_.stated.push_back({t.person, t.relation}); }

  int any_relation() { return int(rng_.below(relation_count)); }
  template <typename List>
  const auto& any(const List& list, size_t count) {
    return list[rng_.below(count)];
  }
  void answer(std::string_view value);
  void question(int relation, Name name, std::string_view value);
  void question(const Topic& t, int value) {
    question(t.relation, people_.name(t.person), people_.value_text(t.relation, value));
  }
  // One of the trained statements, after a blank where text stands before.
  void sentence(int relation, Name name, std::string_view value);
  void sentence(const Topic& t, int value) {
    sentence(t.relation, people_.name(t.person), people_.value_text(t.relation, value));
  }
  void biography(int person, bool second);
  void passage(const Scene& scene);
  void instruct(bool from_context);
  void distract(Scene& scene, int relation);
  void passage_about(const Topic& t, int value);
  int value_of(const Topic& t, bool right);  // the truth, or another value of the kind
  int disputed(const Topic& t);
  void verdict(const Topic& t, bool right);

  const Population& people_;
  const BackgroundFacts& background_;
  Rng& rng_;
  Draft& draft_;
  std::string& text_;
};

}  // namespace ken::world
