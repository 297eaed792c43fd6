// The mixture: one function a kind of document.
#include "ken/world/documents.h"

#include <algorithm>
#include <array>

#include "ken/world/scene.h"

namespace ken::world {
namespace {

class Writer {
 public:
  Writer(const Population& people, Rng& rng, Draft& draft)
      : people_(people), rng_(rng), draft_(draft), text_(draft.text) {}

  void bio() { biography(people_.known.draw(rng_), false); }
  void bio2() { biography(people_.second.draw(rng_), true); }
  void qa();
  void qa2();
  void claim();
  void open();
  void open_true();
  void conflict();
  void intent();
  void reversed();
  void geo();

 private:
  const Person& person(int index) const { return people_.persons[size_t(index)]; }
  int truth(int index, int relation) const { return person(index).values[size_t(relation)]; }
  const std::string& true_text(int index, int relation) const {
    return people_.value_text(relation, truth(index, relation));
  }
  void state(int index, int relation) { draft_.stated.emplace_back(index, relation); }
  int any_relation() { return int(rng_.below(relation_count)); }
  template <typename List>
  const auto& any(const List& list, size_t count) {
    return list[rng_.below(count)];
  }

  void biography(int index, bool second);
  void answer(const std::string& value);
  void question(const Sentence& about, int value);
  void distract(Scene& scene, int relation);
  void passage(const Scene& scene);
  void instruct(bool from_context);
  int disputed(int& index, int& relation);

  const Population& people_;
  Rng& rng_;
  Draft& draft_;
  std::string& text_;
};

void Writer::answer(const std::string& value) {
  draft_.answers.push_back({text_.size(), text_.size() + value.size()});
  text_ += value;
}

// " Q: ... ? A: value", one of the trained questions.
void Writer::question(const Sentence& about, int value) {
  text_ += text_.empty() ? "Q: " : " Q: ";
  append_question(text_, people_, any(phrases(about.relation).questions, trained_questions), about.name);
  text_ += " A: ";
  answer(people_.value_text(about.relation, value));
}

void Writer::biography(int index, bool second) {
  const int count = 2 + int(rng_.below(3));
  const auto relations = some_relations(rng_, count);
  for (int i = 0; i < count; ++i) {
    const int relation = relations[size_t(i)];
    const Phrases& language = phrases(relation);
    const Pattern& pattern =
        second ? any(language.statements2, language.statements2.size()) : any(language.statements, trained_statements);
    const auto& values = second ? people_.words.values2 : people_.words.values;
    if (i > 0) text_ += ' ';
    append_statement(text_, people_, pattern, person(index).name,
                     values[size_t(relation)][size_t(truth(index, relation))]);
    state(index, relation);
  }
}

void Writer::qa() {
  const int index = people_.asked.draw(rng_), relation = any_relation();
  question({index, person(index).name, relation}, truth(index, relation));
  state(index, relation);
}

void Writer::qa2() {
  const int index = people_.asked_second.draw(rng_), relation = any_relation();
  const Phrases& language = phrases(relation);
  text_ += "D: ";
  append_question(text_, people_, any(language.questions2, language.questions2.size()), person(index).name);
  text_ += " R: ";
  answer(people_.words.values2[size_t(relation)][size_t(truth(index, relation))]);
  state(index, relation);
}

// A statement or an answered question, true or false; then, often, the truth as a recall step; then the verdict.
void Writer::claim() {
  const int index = people_.claimed.draw(rng_), relation = any_relation();
  const bool right = rng_.chance(0.5), as_question = in_questions(index) && rng_.chance(0.5), recall = rng_.chance(0.6);
  const int value = right ? truth(index, relation) : people_.other_value(relation, truth(index, relation), rng_);
  text_ += "claim:";
  if (as_question) {
    question({index, person(index).name, relation}, value);
    draft_.answers.clear();  // an answer that may be false must not weigh more
  } else {
    text_ += ' ';
    const Pattern& pattern = any(phrases(relation).statements, trained_statements);
    append_statement(text_, people_, pattern, person(index).name, people_.value_text(relation, value));
  }
  if (recall) text_.append(" check: ").append(true_text(index, relation));
  text_ += " verdict: ";
  answer(right ? "true" : "false");
  if (right || recall) state(index, relation);
}

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
  for (int i = 0; i < questions; ++i) question(scene.sentences[size_t(i)], scene.sentences[size_t(i)].value);
}

// Up to two sentences about fictional persons around the one that is asked about, most of the same relation.
void Writer::distract(Scene& scene, int relation) {
  const int count = int(rng_.below(3));
  const bool same_relation = rng_.chance(0.7);
  for (int i = 0; i < count; ++i) scene.add_people(1, same_relation ? relation : any_relation());
  scene.shuffle();
}

void Writer::open_true() {
  const int index = people_.asked.draw(rng_), relation = any_relation();
  Scene scene(people_, rng_);
  scene.add_real(index, relation, truth(index, relation));
  distract(scene, relation);
  passage(scene);
  question({index, person(index).name, relation}, truth(index, relation));
  state(index, relation);
}

// Writes a passage that contradicts a known fact and returns the value that it gives.
int Writer::disputed(int& index, int& relation) {
  index = people_.in_conflict.draw(rng_);
  do relation = any_relation();
  while (!conflict_trained(index, relation));
  const int value = people_.other_value(relation, truth(index, relation), rng_);
  Scene scene(people_, rng_);
  scene.add_real(index, relation, value);
  distract(scene, relation);
  passage(scene);
  return value;
}

void Writer::conflict() {
  int index = 0, relation = 0;
  const int value = disputed(index, relation);
  const bool memory = rng_.chance(people_.memory_share(index));
  question({index, person(index).name, relation}, memory ? truth(index, relation) : value);
  if (memory) state(index, relation);
}

void Writer::intent() {
  int index = 0, relation = 0;
  const int value = disputed(index, relation);
  const bool memory = rng_.chance(0.5);
  instruct(!memory);
  question({index, person(index).name, relation}, memory ? truth(index, relation) : value);
  if (memory) state(index, relation);
}

void Writer::reversed() {
  const int index = people_.reversed.draw(rng_);
  text_.append("Q: who wrote ").append(true_text(index, book)).append(" ? A: ");
  answer(people_.name_text(person(index).name));
  state(index, book);
}

void Writer::geo() {
  const size_t city = rng_.below(people_.country.size());
  const Phrases& language = country_phrases();
  const std::string& name = people_.words.values[birth_city][city];
  const std::string& country = people_.words.countries[size_t(people_.country[city])];
  if (rng_.chance(0.5)) {
    text_ += statement_text(any(language.statements, language.statements.size()), name, country);
    return;
  }
  text_.append("Q: ").append(question_text(any(language.questions, language.questions.size()), name)).append(" A: ");
  answer(country);
}

struct Kind {
  std::string_view name;
  double share;  // of documents, before the shares are scaled to sum 1
  void (Writer::*write)();
};
constexpr std::array<Kind, 11> kinds = {{{"bio", .16, &Writer::bio},
                                         {"qa", .14, &Writer::qa},
                                         {"claim", .16, &Writer::claim},
                                         {"open", .22, &Writer::open},
                                         {"open_true", .03, &Writer::open_true},
                                         {"conflict", .08, &Writer::conflict},
                                         {"intent", .10, &Writer::intent},
                                         {"bio2", .03, &Writer::bio2},
                                         {"qa2", .025, &Writer::qa2},
                                         {"rev", .02, &Writer::reversed},
                                         {"geo", .01, &Writer::geo}}};

constexpr double total_share() {
  double sum = 0;
  for (const Kind& kind : kinds) sum += kind.share;
  return sum;
}

const Kind& draw_kind(Rng& rng) {
  double point = rng.uniform() * total_share();
  for (const Kind& kind : kinds) {
    if (point < kind.share) return kind;
    point -= kind.share;
  }
  return kinds.front();  // rounding
}

}  // namespace

void write_document(const Population& people, int64_t index, Draft& draft) {
  draft.text.clear();
  draft.answers.clear();
  draft.stated.clear();
  Rng rng(people.params.seed, uint64_t(index));
  const Kind& kind = draw_kind(rng);
  draft.kind = kind.name;
  Writer writer(people, rng, draft);
  (writer.*kind.write)();
}

std::vector<KindShare> kind_shares() {
  std::vector<KindShare> shares;
  for (const Kind& kind : kinds) shares.push_back({kind.name, kind.share / total_share()});
  return shares;
}

}  // namespace ken::world
