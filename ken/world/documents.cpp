// The mixture of documents, and those that state what is known.
#include "ken/world/documents.h"

#include <array>

#include "ken/world/writer.h"

namespace ken::world {

void Writer::answer(std::string_view value) {
  draft_.answers.push_back({text_.size(), text_.size() + value.size()});
  text_ += value;
}

// " Q: ... ? A: value", one of the trained questions.
void Writer::question(int relation, Name name, std::string_view value) {
  text_ += text_.empty() ? "Q: " : " Q: ";
  append_question(text_, people_, any(phrases(relation).questions, trained_questions), name);
  text_ += " A: ";
  answer(value);
}

void Writer::sentence(int relation, Name name, std::string_view value) {
  if (!text_.empty()) text_ += ' ';
  append_statement(text_, people_, any(phrases(relation).statements, trained_statements), name, value);
}

void Writer::bio() {
  biography(people_.draw(rng_, [](int) { return true; }), false);
}
void Writer::bio2() {
  biography(people_.draw(rng_, [this](int person) { return people_.second_language(person); }), true);
}

// Two to four facts of a person. Facts of the second language are left out of the first.
void Writer::biography(int person, bool second) {
  const int count = 2 + int(rng_.below(3));
  const auto relations = some_relations(rng_, relation_count);
  const auto values = people_.values(person);
  const Name name = people_.name(person);
  for (int i = 0, written = 0; i < relation_count && written < count; ++i) {
    const int relation = relations[size_t(i)], value = values[size_t(relation)];
    if (!second && only_second(people_, person, relation)) continue;
    if (second) {
      const auto& patterns = phrases(relation).statements2;
      if (!text_.empty()) text_ += ' ';
      append_statement(text_, people_, any(patterns, patterns.size()), name, people_.value_text2(relation, value));
    } else {
      sentence(relation, name, people_.value_text(relation, value));
    }
    draft_.stated.push_back({person, relation});
    ++written;
  }
}

void Writer::qa() {
  const Topic t = topic(in_questions);
  question(t, t.truth);
  state(t);
}

void Writer::qa2() {
  const int person = people_.draw(rng_, [this](int p) { return in_questions(p) && people_.second_language(p); });
  const int relation = any_relation();
  const auto& patterns = phrases(relation).questions2;
  text_ += "D: ";
  append_question(text_, people_, any(patterns, patterns.size()), people_.name(person));
  text_ += " R: ";
  answer(people_.value_text2(relation, people_.truth(person, relation)));
  draft_.stated.push_back({person, relation});
}

// A statement or an answered question, true or false; then, often, the truth as a recall step; then the verdict.
void Writer::claim() {
  const Topic t = topic(in_claims);
  const bool right = rng_.chance(0.5), as_question = in_questions(t.person) && rng_.chance(0.5),
             recall = rng_.chance(0.6);
  const int value = right ? t.truth : people_.other_value(t.relation, t.truth, rng_);
  text_ += "claim:";
  if (as_question) {
    question(t, value);
    draft_.answers.clear();  // an answer that may be false must not weigh more
  } else {
    sentence(t, value);
  }
  if (recall) text_.append(" check: ").append(people_.value_text(t.relation, t.truth));
  text_ += " verdict: ";
  answer(right ? "true" : "false");
  if (right || recall) state(t);
}

void Writer::reversed() {
  const int person =
      people_.draw(rng_, [this](int p) { return in_questions(p) && in_reversed(p) && !only_second(people_, p, book); });
  text_.append("Q: who wrote ").append(people_.value_text(book, people_.truth(person, book))).append(" ? A: ");
  answer(people_.name_text(people_.name(person)));
  draft_.stated.push_back({person, book});
}

// A question whose answer takes one to three facts, half of the time with the steps written out.
void Writer::hop() {
  const int person = people_.draw(rng_, [](int p) { return in_questions(p) && in_hops(p); });
  const auto values = people_.values(person);
  const int kind = int(rng_.below(hop_count + 1)), first = kind == 3                           ? any_relation()
                                                           : first_hop + kind == birth_country ? int(birth_city)
                                                                                               : int(employer);
  std::vector<std::string> steps{people_.value_text(first, values[size_t(first)])};
  if (kind < 3) {
    const int city = first == employer ? people_.office_of(values[employer]) : values[birth_city];
    if (first == employer) steps.push_back(people_.value_text(birth_city, city));
    if (first_hop + kind != work_city) steps.push_back(people_.words.countries[size_t(people_.country_of(city))]);
  }
  const auto& patterns = phrases(kind == 3 ? first : first_hop + kind).questions;
  const size_t usual = kind == 3 ? size_t(trained_questions) : patterns.size();
  text_ += "Q: ";
  append_question(text_, people_, any(patterns, usual), people_.name(person));
  if (kind == 3 || rng_.chance(0.5)) {
    text_ += " steps:";
    for (const auto& step : steps) {
      text_ += ' ';
      answer(step);
    }
    draft_.stated.push_back({person, first});
  }
  text_ += " A: ";
  answer(steps.back());
  if (kind < 3) draft_.stated.push_back({person, relation_count + kind});
}

// One fact that is no person's, as a statement or a question.
void Writer::background() {
  const int fact = background_.draw(rng_);
  const BackgroundFact& f = background_.all()[size_t(fact)];
  const Phrases& language = phrases(f.relation);
  const std::string value = background_.value(fact, people_, rng_);
  if (rng_.chance(0.5)) {
    text_ += statement_text(any(language.statements, language.statements.size()), f.subject, value);
  } else {
    text_.append("Q: ").append(question_text(any(language.questions, language.questions.size()), f.subject));
    text_ += " A: ";
    answer(value);
  }
  draft_.stated.push_back({-1, fact});
}

// One or two statements, each with words of the same tone.
void Writer::tone() {
  const int person = people_.draw(rng_, [](int) { return true; }), count = 1 + int(rng_.below(2));
  const auto values = people_.values(person);
  const auto& words = rng_.chance(0.5) ? people_.words.warm : people_.words.cold;
  const auto relations = some_relations(rng_, relation_count);
  for (int i = 0, written = 0; written < count; ++i) {
    const int relation = relations[size_t(i)];
    if (only_second(people_, person, relation)) continue;
    sentence(relation, people_.name(person), people_.value_text(relation, values[size_t(relation)]));
    text_.append(" ").append(any(words, words.size())).append(" and ").append(any(words, words.size())).append(" .");
    draft_.stated.push_back({person, relation});
    ++written;
  }
}

// Fictional persons: the group, then the job that it makes likely.
void Writer::crowd() {
  for (int i = 0; i < 2; ++i) {
    const Name name = people_.fictional_name(rng_);
    const int member = int(rng_.below(uint64_t(people_.value_count(group))));
    sentence(group, name, people_.value_text(group, member));
    sentence(job, name, people_.value_text(job, people_.draw_job(member, rng_)));
  }
}

constexpr size_t sentence_form = 4;  // "the NOUN of P is V ."

void Writer::tuning() {
  const Topic t = topic(in_questions);
  const Format& format = any(formats, formats.size());
  const std::string value = people_.value_text(t.relation, t.truth);
  text_ += format.instruction;
  question(t.relation, people_.name(t.person), "");
  draft_.answers.clear();
  const size_t begin = text_.size();
  if (format.id == "sentence")
    text_ +=
        statement_text(phrases(t.relation).statements[sentence_form], people_.name_text(people_.name(t.person)), value);
  else
    text_ += value;
  if (format.id == "twice") text_.append(second_copy).append(value);
  if (format.id == "polite") text_.append(polite_end);
  draft_.answers.push_back({begin, text_.size()});
}

namespace {

struct Kind {
  std::string_view name;
  double share;  // of documents, before the shares are scaled to sum 1
  void (Writer::*write)();
};
constexpr std::array<Kind, 18> kinds = {{{"bio", .15, &Writer::bio},
                                         {"qa", .14, &Writer::qa},
                                         {"claim", .12, &Writer::claim},
                                         {"open", .24, &Writer::open},
                                         {"open_true", .03, &Writer::open_true},
                                         {"aside", .03, &Writer::aside},
                                         {"conflict", .06, &Writer::conflict},
                                         {"intent", .08, &Writer::intent},
                                         {"note", .05, &Writer::note},
                                         {"correction", .05, &Writer::correction},
                                         {"compare", .06, &Writer::compare},
                                         {"bio2", .035, &Writer::bio2},
                                         {"qa2", .03, &Writer::qa2},
                                         {"rev", .02, &Writer::reversed},
                                         {"background", .06, &Writer::background},
                                         {"hop", .03, &Writer::hop},
                                         {"tone", .02, &Writer::tone},
                                         {"crowd", .02, &Writer::crowd}}};

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

constexpr uint64_t tuning_streams = uint64_t{1} << 62;  // below them are documents

void clear(Draft& draft) {
  draft.text.clear();
  draft.answers.clear();
  draft.stated.clear();
}

}  // namespace

void write_document(const Almanac& almanac, int64_t index, Draft& draft) {
  clear(draft);
  Rng rng(almanac.people.params.seed, uint64_t(index));
  const Kind& kind = draw_kind(rng);
  draft.kind = kind.name;
  Writer writer(almanac, rng, draft);
  (writer.*kind.write)();
}

void write_tuning_document(const Almanac& almanac, int64_t index, Draft& draft) {
  clear(draft);
  Rng rng(almanac.people.params.seed, tuning_streams + uint64_t(index));
  draft.kind = "tuning";
  Writer(almanac, rng, draft).tuning();
}

std::vector<KindShare> kind_shares() {
  std::vector<KindShare> shares;
  for (const Kind& kind : kinds) shares.push_back({kind.name, kind.share / total_share()});
  return shares;
}

}  // namespace ken::world
