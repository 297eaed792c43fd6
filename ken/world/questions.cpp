// Facts and context cases. Every choice follows from the world's seed; trained templates are used unless a flag says
// that one is held out.
#include "ken/world/questions.h"

#include <algorithm>

#include "ken/world/scene.h"

namespace ken::world {
namespace {

// The group is left out: with two values, a guess is right half of the time.
constexpr std::array<int, 7> asked_relations = {birth_city, employer, field, university, birth_year, job, book};

// How many context cases a world of 400 persons has; other sizes in proportion.
struct Plan {
  const char* name;
  const char* kind;
  const char* intent;
  int cases;
};
constexpr Plan conflict_plan = {"conflict", "conflict", "none", 600};
constexpr Plan context_plan = {"intent-context", "conflict", "context", 300};
constexpr Plan memory_plan = {"intent-memory", "conflict", "memory", 300};
constexpr Plan agree_plan = {"agree", "agree", "none", 200};
constexpr Plan irrelevant_plan = {"irrelevant", "irrelevant", "none", 200};
constexpr Plan reading_plan = {"reading", "reading", "none", 150};  // for each number of distractors
constexpr int distractor_numbers = 3;                               // 0, 1, 2
constexpr int largest_type = 24;  // longer lists of values are not repeated in each fact

class Asker {
 public:
  Asker(const Population& people, const std::vector<int64_t>& counts)
      : people_(people), counts_(counts), rng_(people.params.seed, setup_stream + 1) {
    for (const int relation : asked_relations) guess_rates_[size_t(relation)] = guess_rate(relation);
  }
  data::FactSet make();

 private:
  struct Topic {
    int person, relation, truth;
  };
  data::Fact fact(int person, int relation) const;
  Json fact_extra(int person, int relation) const;
  void add_conflicts(const Plan& plan);
  void add_agreeing();
  void add_irrelevant();
  void add_reading(int distractors);
  data::ContextCase& add_case(const Plan& plan, const Topic& topic, int number);

  std::string person_id(int person) const { return "p" + std::to_string(person); }
  std::string fact_id(int person, int relation) const {
    return person_id(person) + "." + std::string(phrases(relation).id);
  }
  std::string name(int person) const { return people_.name_text(people_.persons[size_t(person)].name); }
  int truth(int person, int relation) const { return people_.persons[size_t(person)].values[size_t(relation)]; }
  const std::string& text(int relation, int value) const { return people_.value_text(relation, value); }
  int64_t exposure(int person, int relation) const {
    return counts_[size_t(person) * relation_count + size_t(relation)];
  }
  std::string question(int person, int relation) const;
  double guess_rate(int relation) const;
  int cases(const Plan& plan) const;
  Topic any_topic(int begin, int end);
  void distract(Scene& scene, const Topic& topic, int count);
  std::string passage(const Scene& scene) const;

  const Population& people_;
  const std::vector<int64_t>& counts_;
  Rng rng_;
  std::array<double, relation_count> guess_rates_{};
  data::FactSet set_;
};

data::FactSet Asker::make() {
  set_.name = "almanac";
  set_.source = "almanac " + to_json(people_.params).dump();
  const int persons = int(people_.persons.size());
  for (int person = 0; person < persons; ++person)
    for (const int relation : asked_relations) set_.facts.push_back(fact(person, relation));
  for (const Plan& plan : {conflict_plan, context_plan, memory_plan}) add_conflicts(plan);
  add_agreeing();
  add_irrelevant();
  if (people_.params.unseen > 0)
    for (int distractors = 0; distractors < distractor_numbers; ++distractors) add_reading(distractors);
  return std::move(set_);
}

// The same trained question for a fact wherever it is asked.
std::string Asker::question(int person, int relation) const {
  return question_text(phrases(relation).questions[size_t(person + relation) % trained_questions], name(person));
}

// How often the most frequent value is right: what a model reaches that knows no person.
double Asker::guess_rate(int relation) const {
  std::vector<int> numbers(size_t(people_.value_count(relation)));
  for (const Person& person : people_.persons) ++numbers[size_t(person.values[size_t(relation)])];
  return double(*std::max_element(numbers.begin(), numbers.end())) / double(people_.persons.size());
}

data::Fact Asker::fact(int person, int relation) const {
  data::Fact fact;
  fact.id = fact_id(person, relation);
  fact.subject = name(person);
  fact.relation = phrases(relation).id;
  fact.question = question(person, relation);
  fact.answers = {text(relation, truth(person, relation))};
  fact.exposure = exposure(person, relation);
  fact.group = person_id(person);
  const Pattern& pattern = phrases(relation).statements[size_t(person + relation) % trained_statements];
  fact.statement = statement_text(pattern, fact.subject, fact.answers.front());
  fact.extra = fact_extra(person, relation);
  return fact;
}

Json Asker::fact_extra(int person, int relation) const {
  const Phrases& language = phrases(relation);
  const std::string subject = name(person), &value = text(relation, truth(person, relation));
  const bool seen = people_.seen(person);
  Json extra = {{"person", person},
                {"seen", seen},
                {"qa_trained", seen && in_questions(person)},
                {"claim_trained", seen && in_claims(person)},
                {"conflict_trained", seen && conflict_trained(person, relation)},
                {"guess_rate", guess_rates_[size_t(relation)]},
                {"person_group", text(group, truth(person, group))},
                {"held_out_question", question_text(language.questions.back(), subject)},
                {"held_out_statement", statement_text(language.statements.back(), subject, value)},
                {"second_language", seen && people_.persons[size_t(person)].second_language},
                {"question2", question_text(language.questions2[size_t(person) % language.questions2.size()], subject)},
                {"answers2", {people_.words.values2[size_t(relation)][size_t(truth(person, relation))]}}};
  if (relation == book) {
    extra["reversed_question"] = "who wrote " + value + " ?";
    extra["reversed_trained"] = seen && in_questions(person) && in_reversed(person);
  }
  if (people_.value_count(relation) <= largest_type) extra["type_values"] = people_.words.values[size_t(relation)];
  return extra;
}

int Asker::cases(const Plan& plan) const {
  return int(std::max<int64_t>(10, int64_t(plan.cases) * std::min(people_.params.people, 40000) / 400));
}

Asker::Topic Asker::any_topic(int begin, int end) {
  const int person = begin + int(rng_.below(uint64_t(end - begin)));
  const int relation = asked_relations[rng_.below(asked_relations.size())];
  return {person, relation, truth(person, relation)};
}

// Sentences about fictional persons with the same relation; none of them gives the true value.
void Asker::distract(Scene& scene, const Topic& topic, int count) {
  const size_t own = scene.sentences.size();
  const auto names_truth = [&](const Sentence& s) { return s.relation == topic.relation && s.value == topic.truth; };
  for (int attempt = 0; attempt < 64; ++attempt) {
    scene.sentences.resize(own);
    scene.add_people(count, topic.relation);
    if (std::none_of(scene.sentences.begin() + std::ptrdiff_t(own), scene.sentences.end(), names_truth)) break;
  }
  scene.shuffle();
}

std::string Asker::passage(const Scene& scene) const {
  std::string result;
  scene.append_to(result);
  return result;
}

data::ContextCase& Asker::add_case(const Plan& plan, const Topic& topic, int number) {
  data::ContextCase& item = set_.contexts.emplace_back();
  item.id = std::string(plan.name) + "-" + std::to_string(number);
  item.fact = fact_id(topic.person, topic.relation);
  item.kind = plan.kind;
  item.intent = plan.intent;
  item.question = question(topic.person, topic.relation);
  item.answers = {text(topic.relation, topic.truth)};
  item.exposure = exposure(topic.person, topic.relation);
  item.group = person_id(topic.person);
  item.extra = {{"relation", phrases(topic.relation).id},
                {"qa_trained", people_.seen(topic.person) && in_questions(topic.person)}};
  return item;
}

// Known persons with a value that is not theirs. Persons are drawn evenly, so that all exposures occur; of the intents'
// instructions every third is the held-out one.
void Asker::add_conflicts(const Plan& plan) {
  const int total = cases(plan);
  for (int i = 0; i < total; ++i) {
    const Topic topic = any_topic(0, people_.params.people);
    const int value = people_.other_value(topic.relation, topic.truth, rng_);
    const int distractors = i % distractor_numbers;
    Scene scene(people_, rng_);
    scene.add_real(topic.person, topic.relation, value);
    distract(scene, topic, distractors);
    data::ContextCase& item = add_case(plan, topic, i);
    item.context = passage(scene);
    item.context_answers = {text(topic.relation, value)};
    item.context_subject = name(topic.person);
    item.extra["distractors"] = distractors;
    item.extra["held_out"] = !conflict_trained(topic.person, topic.relation);
    item.extra["person_without_conflicts"] = !in_conflicts(topic.person) || !in_questions(topic.person);
    if (item.intent == "none") continue;
    const bool held_out = rng_.below(3) == 0;
    const auto& phrases = item.intent == "context" ? context_instructions : memory_instructions;
    item.instruction = held_out ? phrases.back() : phrases[rng_.below(trained_instructions)];
    item.extra["held_out_phrase"] = held_out;
  }
}

void Asker::add_agreeing() {
  const int total = cases(agree_plan);
  for (int i = 0; i < total; ++i) {
    const Topic topic = any_topic(0, people_.params.people);
    Scene scene(people_, rng_);
    scene.add_real(topic.person, topic.relation, topic.truth);
    distract(scene, topic, i % distractor_numbers);
    data::ContextCase& item = add_case(agree_plan, topic, i);
    item.context = passage(scene);
    item.context_answers = item.answers;
    item.context_subject = name(topic.person);
    item.extra["distractors"] = i % distractor_numbers;
  }
}

// The passage speaks of other persons: of the same relation, where only the name tells that it does not answer, or of
// others.
void Asker::add_irrelevant() {
  const int total = cases(irrelevant_plan);
  for (int i = 0; i < total; ++i) {
    const Topic topic = any_topic(0, people_.params.people);
    const bool same_relation = i % 2 == 1;
    Scene scene(people_, rng_);
    if (same_relation) distract(scene, topic, 1 + i / 2 % 2);
    for (int sentence = 0; !same_relation && sentence <= i / 2 % 2; ++sentence)
      scene.add_people(1, (topic.relation + 1 + int(rng_.below(relation_count - 1))) % relation_count);
    data::ContextCase& item = add_case(irrelevant_plan, topic, i);
    item.context = passage(scene);
    item.extra["same_relation"] = same_relation;
  }
}

// Persons of no document: only the passage can tell. Every second statement is a held-out template.
void Asker::add_reading(int distractors) {
  const int begin = people_.params.people, total = cases(reading_plan);
  for (int i = 0; i < total; ++i) {
    const Topic topic = any_topic(begin, begin + people_.params.unseen);
    const bool held_out = i % 2 == 1;
    Scene scene(people_, rng_);
    scene.add_real(topic.person, topic.relation, topic.truth);
    if (held_out) scene.sentences.front().statement = trained_statements;
    distract(scene, topic, distractors);
    data::ContextCase& item = add_case(reading_plan, topic, distractors * total + i);
    item.context = passage(scene);
    item.context_answers = item.answers;
    item.context_subject = name(topic.person);
    item.extra["distractors"] = distractors;
    item.extra["held_out_template"] = held_out;
  }
}

}  // namespace

data::FactSet make_questions(const Population& people, const std::vector<int64_t>& counts) {
  return Asker(people, counts).make();
}

}  // namespace ken::world
