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
constexpr Plan conflict_plan = {"conflict", "conflict", "none", 800};
constexpr Plan context_plan = {"intent-context", "conflict", "context", 300};
constexpr Plan memory_plan = {"intent-memory", "conflict", "memory", 300};
constexpr Plan agree_plan = {"agree", "agree", "none", 800};
constexpr Plan irrelevant_plan = {"irrelevant", "irrelevant", "none", 200};
constexpr Plan reading_plan = {"reading", "reading", "none", 150};     // for each number of distractors
constexpr Plan stranger_plan = {"stranger", "conflict", "none", 150};  // passages on persons of no document
constexpr Plan claim_plan = {"claim", "claim", "none", 800};
constexpr int distractor_numbers = 3;  // 0, 1, 2
constexpr int largest_type = 24;       // longer lists of values are not repeated in each fact
constexpr int most_asked = 2000;       // persons, known ones and unseen ones each

class Asker {
 public:
  Asker(const Almanac& almanac, const Asked& asked, const Exposure& exposure)
      : people_(almanac.people),
        background_(almanac.background),
        asked_(asked),
        exposure_(exposure),
        rng_(people_.params.seed, setup_stream + 1) {
    for (const int relation : asked_relations) guess_rates_[size_t(relation)] = guess_rate(relation);
  }
  data::FactSet make();

 private:
  struct Topic {
    int person, relation, truth;
  };
  data::Fact fact(int person, int relation) const;
  data::Fact hop_fact(int person, int hop) const;
  data::Fact background_fact(int place) const;
  std::vector<data::Variant> variants(int person, int relation) const;
  Json fact_extra(int person, int relation) const;
  void add_conflicts(const Plan& plan, const std::vector<int>& persons);
  void add_agreeing();
  void add_irrelevant();
  void add_reading(int distractors);
  void add_claims();
  data::ContextCase& add_case(const Plan& plan, const Topic& topic, int number);

  std::string person_id(int person) const { return "p" + std::to_string(person); }
  std::string fact_id(int person, int relation) const {
    return person_id(person) + "." + std::string(phrases(relation).id);
  }
  std::string name(int person) const { return people_.name_text(people_.name(person)); }
  std::string text(int relation, int value) const { return people_.value_text(relation, value); }
  std::string question(int person, int relation) const;
  double guess_rate(int relation) const;
  int cases(const Plan& plan) const;
  int counterfactual(const Topic& topic);
  Topic any_topic(const std::vector<int>& persons);
  void distract(Scene& scene, const Topic& topic, int count);
  std::string passage(const Scene& scene) const;

  const Population& people_;
  const BackgroundFacts& background_;
  const Asked& asked_;
  const Exposure& exposure_;
  Rng rng_;
  std::array<double, relation_count> guess_rates_{};
  data::FactSet set_;
};

data::FactSet Asker::make() {
  set_.name = "almanac";
  set_.source = "almanac " + to_json(people_.params).dump();
  for (const auto* persons : {&asked_.known(), &asked_.unseen()})
    for (const int person : *persons)
      for (const int relation : asked_relations) set_.facts.push_back(fact(person, relation));
  for (size_t i = 0; i < asked_.known().size(); i += 2)
    set_.facts.push_back(hop_fact(asked_.known()[i], int(i / 2) % hop_count));
  for (int place = 0; place < int(background_.all().size()); ++place) set_.facts.push_back(background_fact(place));
  for (const Plan& plan : {conflict_plan, context_plan, memory_plan}) add_conflicts(plan, asked_.known());
  if (!asked_.unseen().empty()) add_conflicts(stranger_plan, asked_.unseen());
  add_agreeing();
  add_irrelevant();
  if (!asked_.unseen().empty())
    for (int distractors = 0; distractors < distractor_numbers; ++distractors) add_reading(distractors);
  add_claims();
  return std::move(set_);
}

// The same trained question for a fact wherever it is asked.
std::string Asker::question(int person, int relation) const {
  return question_text(phrases(relation).questions[size_t(person + relation) % trained_questions], name(person));
}

// How often the most frequent value is right: what a model reaches that knows no person.
double Asker::guess_rate(int relation) const {
  std::vector<int> numbers(size_t(people_.value_count(relation)));
  double total = 0;
  for (const auto* persons : {&asked_.known(), &asked_.unseen()})
    for (const int person : *persons) ++numbers[size_t(people_.truth(person, relation))], ++total;
  return double(*std::max_element(numbers.begin(), numbers.end())) / total;
}

data::Fact Asker::fact(int person, int relation) const {
  data::Fact fact;
  fact.id = fact_id(person, relation);
  fact.subject = name(person);
  fact.relation = phrases(relation).id;
  fact.question = question(person, relation);
  fact.answers = {text(relation, people_.truth(person, relation))};
  fact.exposure = exposure_({person, relation});
  // A fact of its own kind: how often English documents state it is 0, yet it is no unseen fact.
  if (only_second(people_, person, relation)) fact.relation = "second_language_only", fact.exposure = -1;
  fact.group = person_id(person);
  const Pattern& pattern = phrases(relation).statements[size_t(person + relation) % trained_statements];
  fact.statement = statement_text(pattern, fact.subject, fact.answers.front());
  fact.variants = variants(person, relation);
  fact.extra = fact_extra(person, relation);
  return fact;
}

std::vector<data::Variant> Asker::variants(int person, int relation) const {
  const Phrases& language = phrases(relation);
  const std::string subject = name(person), value = text(relation, people_.truth(person, relation));
  const std::string foreign = question_text(language.questions2[size_t(person) % language.questions2.size()], subject);
  std::vector<data::Variant> result{{"paraphrase", question_text(language.questions.back(), subject), {value}},
                                    {"second language",
                                     foreign,
                                     {people_.value_text2(relation, people_.truth(person, relation))},
                                     "D: " + foreign + " R:"}};
  if (relation == book) result.push_back({"reversed", "who wrote " + value + " ?", {subject}});
  return result;
}

// Which splits the fact belongs to; what the tests of a method may hold it against.
Json Asker::fact_extra(int person, int relation) const {
  const bool seen = people_.seen(person);
  Json extra = {{"person", person},
                {"seen", seen},
                {"qa_trained", seen && in_questions(person)},
                {"claim_trained", seen && in_claims(person)},
                {"conflict_trained", seen && disputed_pair(person, relation)},
                {"guess_rate", guess_rates_[size_t(relation)]},
                {"person_group", text(group, people_.truth(person, group))},
                {"held_out_statement", statement_text(phrases(relation).statements.back(), name(person),
                                                      text(relation, people_.truth(person, relation)))},
                {"second_language", people_.second_language(person)},
                {"second_only", only_second(people_, person, relation)}};
  if (only_second(people_, person, relation)) extra["exposure_second"] = exposure_({person, relation});
  if (relation == book) extra["reversed_trained"] = seen && in_questions(person) && in_reversed(person);
  if (people_.value_count(relation) <= largest_type) extra["type_values"] = people_.words.values[size_t(relation)];
  return extra;
}

// A question that takes two or three facts; the facts that it takes are named.
data::Fact Asker::hop_fact(int person, int hop) const {
  const int relation = first_hop + hop;
  const bool by_work = relation != birth_country;
  const auto values = people_.values(person);
  const int city = by_work ? people_.office_of(values[employer]) : values[birth_city];
  const std::string place = text(birth_city, city);
  data::Fact fact;
  fact.id = fact_id(person, relation);
  fact.subject = name(person);
  fact.relation = phrases(relation).id;
  fact.question = question_text(phrases(relation).questions.front(), fact.subject);
  fact.answers = {relation == work_city ? place : people_.words.countries[size_t(people_.country_of(city))]};
  fact.exposure = exposure_({person, relation_count + hop});
  fact.group = person_id(person);
  fact.statement = statement_text(phrases(relation).statements.front(), fact.subject, fact.answers.front());
  Json chain = Json::array({fact_id(person, by_work ? int(employer) : int(birth_city))});
  if (by_work) chain.push_back("office." + text(employer, values[employer]));
  if (relation != work_city) chain.push_back("country." + place);
  fact.extra = {{"person", person}, {"hops", chain}, {"hop_trained", in_questions(person) && in_hops(person)}};
  return fact;
}

data::Fact Asker::background_fact(int place) const {
  const BackgroundFact& f = background_.all()[size_t(place)];
  const Phrases& language = phrases(f.relation);
  data::Fact fact;
  fact.id = std::string(language.id) + "." + f.subject;
  fact.subject = f.subject;
  fact.relation = language.id;
  fact.question = question_text(language.questions.front(), f.subject);
  fact.answers = {f.value};
  fact.exposure = exposure_({-1, place});
  fact.group = f.relation == mayor_in ? f.subject.substr(0, f.subject.find(' ')) : f.subject;
  fact.statement = statement_text(language.statements.front(), f.subject, f.value);
  if (!f.topic.empty()) fact.extra["topic"] = f.topic;
  if (!f.stable) fact.extra["stable"] = false;
  return fact;
}

int Asker::cases(const Plan& plan) const {
  return int(std::max<int64_t>(10, int64_t(plan.cases) * std::min(people_.params.people, most_asked) / 400));
}

Asker::Topic Asker::any_topic(const std::vector<int>& persons) {
  while (true) {
    const int person = persons[rng_.below(persons.size())];
    const int relation = asked_relations[rng_.below(asked_relations.size())];
    if (!only_second(people_, person, relation)) return {person, relation, people_.truth(person, relation)};
  }
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

// The value of another person who is about as well known: the value alone must not tell that it is wrong.
int Asker::counterfactual(const Topic& topic) {
  const bool known = people_.seen(topic.person);
  const auto& persons = known ? asked_.known() : asked_.unseen();
  for (int attempt = 0; attempt < 1000; ++attempt) {
    const int other = persons[rng_.below(persons.size())];
    const double ratio = known ? people_.weight(other) / people_.weight(topic.person) : 1;
    const int value = people_.truth(other, topic.relation);
    if (value != topic.truth && ratio < 3 && ratio > 1.0 / 3) return value;
  }
  return people_.other_value(topic.relation, topic.truth, rng_);
}

data::ContextCase& Asker::add_case(const Plan& plan, const Topic& topic, int number) {
  data::ContextCase& item = set_.contexts.emplace_back();
  item.id = std::string(plan.name) + "-" + std::to_string(number);
  item.fact = fact_id(topic.person, topic.relation);
  item.kind = plan.kind;
  item.intent = plan.intent;
  item.question = question(topic.person, topic.relation);
  item.answers = {text(topic.relation, topic.truth)};
  item.exposure = exposure_({topic.person, topic.relation});
  item.group = person_id(topic.person);
  const bool seen = people_.seen(topic.person);
  item.extra = {{"relation", phrases(topic.relation).id},
                {"seen", seen},
                {"qa_trained", seen && in_questions(topic.person)},
                {"held_out", !seen || !disputed_pair(topic.person, topic.relation)},
                {"person_without_conflicts", !seen || !in_conflicts(topic.person) || !in_questions(topic.person)}};
  return item;
}

// Known persons with a value that is not theirs. Persons are drawn evenly, so that all exposures occur; of the intents'
// instructions every third is the held-out one.
void Asker::add_conflicts(const Plan& plan, const std::vector<int>& persons) {
  const int total = cases(plan);
  for (int i = 0; i < total; ++i) {
    const Topic topic = any_topic(persons);
    const int value = counterfactual(topic);
    const int distractors = i % distractor_numbers;
    Scene scene(people_, rng_);
    scene.add_real(topic.person, topic.relation, value);
    distract(scene, topic, distractors);
    data::ContextCase& item = add_case(plan, topic, i);
    item.context = passage(scene);
    item.context_answers = {text(topic.relation, value)};
    item.context_subject = name(topic.person);
    item.extra["distractors"] = distractors;
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
    const Topic topic = any_topic(asked_.known());
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
    const Topic topic = any_topic(asked_.known());
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
  const int total = cases(reading_plan);
  for (int i = 0; i < total; ++i) {
    const Topic topic = any_topic(asked_.unseen());
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

// Statements of trained forms about known persons, every second one with a value that is not theirs.
void Asker::add_claims() {
  const int total = cases(claim_plan);
  for (int i = 0; i < total; ++i) {
    const Topic topic = any_topic(asked_.known());
    const bool truth = i % 2 == 0;
    const int value = truth ? topic.truth : counterfactual(topic);
    const Pattern& pattern = phrases(topic.relation).statements[rng_.below(trained_statements)];
    set_.claims.push_back({"claim-" + std::to_string(i),
                           fact_id(topic.person, topic.relation),
                           statement_text(pattern, name(topic.person), text(topic.relation, value)),
                           truth,
                           exposure_({topic.person, topic.relation}),
                           person_id(topic.person),
                           {{"held_out", !in_claims(topic.person)}, {"qa_trained", in_questions(topic.person)}}});
  }
}

}  // namespace

Asked::Asked(const WorldParams& params) : people_(params.people) {
  step_ = (params.people + most_asked - 1) / most_asked;
  for (int person = 0; person < params.people; person += step_) known_.push_back(person);
  const int step = std::max(1, (params.unseen + most_asked - 1) / most_asked);
  for (int person = 0; person < params.unseen; person += step) unseen_.push_back(params.people + person);
}

data::FactSet make_questions(const Almanac& almanac, const Asked& asked, const Exposure& exposure) {
  return Asker(almanac, asked, exposure).make();
}

}  // namespace ken::world
