// Documents with a passage: to read from, to doubt, to compare with what is known.
#include <algorithm>

#include "ken/world/writer.h"

namespace ken::world {

void Writer::passage(const Scene& scene) {
  text_ += "context: ";
  scene.append_to(text_);
}

void Writer::instruct(bool from_context) {
  text_ += ' ';
  text_ += any(from_context ? context_instructions : memory_instructions, trained_instructions);
}

// A passage about fictional persons and one or two questions about it. Sentences share the person, or the relation
// (then only the name tells the answer), or nothing.
void Writer::open() {
  Scene scene(people_, rng_);
  const int count = 1 + int(rng_.below(3));
  if (rng_.chance(0.35)) {
    scene.add_one_person(count);
  } else {
    const bool same_relation = rng_.chance(0.7);
    const int shared = any_relation();
    for (int i = 0; i < count; ++i) scene.add_people(1, same_relation ? shared : any_relation());
  }
  passage(scene);
  if (rng_.chance(0.3)) instruct(true);
  scene.shuffle();  // the order of questions is not the order of sentences
  const int questions = std::min(count, 1 + int(rng_.below(2)));
  for (int i = 0; i < questions; ++i) {
    const Sentence& s = scene.sentences[size_t(i)];
    question(s.relation, s.name, people_.value_text(s.relation, s.value));
  }
}

// Up to two sentences about fictional persons around the one that is asked about, most of the same relation.
void Writer::distract(Scene& scene, int relation) {
  const int count = int(rng_.below(3));
  const bool same_relation = rng_.chance(0.7);
  for (int i = 0; i < count; ++i) scene.add_people(1, same_relation ? relation : any_relation());
  scene.shuffle();
}

// A passage that gives a known person's relation a value, among others.
void Writer::passage_about(const Topic& t, int value) {
  Scene scene(people_, rng_);
  scene.add_real(t.person, t.relation, value);
  distract(scene, t.relation);
  passage(scene);
}

void Writer::open_true() {
  const Topic t = topic(in_questions);
  passage_about(t, t.truth);
  question(t, t.truth);
  state(t);
}

// The passage speaks of others: only memory can answer.
void Writer::aside() {
  const Topic t = topic(in_questions);
  Scene scene(people_, rng_);
  const int count = 1 + int(rng_.below(2));
  for (int i = 0; i < count; ++i) scene.add_people(1, rng_.chance(0.5) ? t.relation : any_relation());
  passage(scene);
  question(t, t.truth);
  state(t);
}

Writer::Topic Writer::disputed_topic() {
  while (true) {
    const Topic t = topic([](int person) { return in_conflicts(person) && in_questions(person); });
    if (disputed_pair(t.person, t.relation)) return t;
  }
}

int Writer::value_of(const Topic& t, bool right) {
  return right ? t.truth : people_.other_value(t.relation, t.truth, rng_);
}

// Writes a passage that contradicts a known fact and returns the value that it gives.
int Writer::disputed(const Topic& t) {
  const int value = value_of(t, false);
  passage_about(t, value);
  return value;
}

// Whether what was said is right; where it is wrong, what is right.
void Writer::verdict(const Topic& t, bool right) {
  answer(right ? "right" : "wrong");
  text_ += " .";
  if (!right) sentence(t, t.truth);
  state(t);
}

void Writer::conflict() {
  const Topic t = disputed_topic();
  const int value = disputed(t);
  const bool memory = rng_.chance(people_.memory_share(t.person));
  question(t, memory ? t.truth : value);
  if (memory) state(t);
}

void Writer::intent() {
  const Topic t = disputed_topic();
  const int value = disputed(t);
  const bool memory = rng_.chance(0.5);
  instruct(!memory);
  question(t, memory ? t.truth : value);
  if (memory) state(t);
}

// A passage about one known person among others, then a remark whether it is right; where it is wrong, what is right.
void Writer::note() {
  const Topic t = disputed_topic();
  const bool right = rng_.chance(0.5);
  passage_about(t, value_of(t, right));
  text_ += " remark: ";
  const std::string_view remark = right ? right_about : wrong_about;
  const size_t subject = remark.find(" P ") + 1, end = remark.rfind(" is ") + 4;
  text_.append(remark.substr(0, subject));
  append_name(text_, people_, people_.name(t.person));
  text_.append(remark.substr(subject + 1, end - subject - 1));
  verdict(t, right);
}

// The same without a frame: a sentence, whether it is right, and what is.
void Writer::correction() {
  const Topic t = disputed_topic();
  const bool right = rng_.chance(0.5);
  sentence(t, value_of(t, right));
  text_ += " that is ";
  verdict(t, right);
}

// Does the passage agree with what is known about the question?
void Writer::compare() {
  const Topic t = disputed_topic();
  const bool agrees = rng_.chance(0.5);
  passage_about(t, value_of(t, agrees));
  text_ += ' ';
  text_ += any(comparisons, comparisons.size());
  question(t.relation, people_.name(t.person), agrees ? "yes" : "no");
  if (agrees) state(t);
}

}  // namespace ken::world
