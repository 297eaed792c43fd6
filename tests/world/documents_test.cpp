// The documents against what they promise, read back from their texts alone.
#include <gtest/gtest.h>

#include <iterator>
#include <map>
#include <set>
#include <sstream>

#include "ken/world/documents.h"
#include "ken/world/relations.h"
#include "ken/world/world.h"

namespace ken::world::documents_test_file {
namespace {

std::vector<std::string> split(const std::string& text) {
  std::istringstream stream(text);
  return {std::istream_iterator<std::string>(stream), {}};
}

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

TEST(DocumentsTest, DependOnParamsAndIndexOnly) {
  const World a{{}}, b{{}}, other{{.seed = 2}};
  b.facts();
  int different = 0;
  for (int64_t i = 299; i >= 0; --i) {
    const Document x = a.document(i), y = b.document(i);
    ASSERT_EQ(x.text, y.text);
    ASSERT_EQ(x.kind, y.kind);
    different += x.text != other.document(i).text;
  }
  EXPECT_GT(different, 290);
}

TEST(DocumentsTest, KindsKeepTheirShares) {
  const World world{{}};
  std::map<std::string, int> numbers;
  constexpr int total = 20000;
  for (int i = 0; i < total; ++i) ++numbers[world.document(i).kind];
  double sum = 0;
  for (const auto& [kind, share] : kind_shares()) {
    EXPECT_NEAR(numbers[std::string(kind)] / double(total), share, 0.01) << kind;
    sum += share;
  }
  EXPECT_NEAR(sum, 1, 1e-12);
}

TEST(DocumentsTest, AnswersPointAtTheWordsAfterTheirMarker) {
  const World world{{}};
  const auto words = world.words();
  const std::set<std::string> known(words.begin(), words.end());
  for (int i = 0; i < 5000; ++i) {
    const Document d = world.document(i);
    for (const auto& [begin, end] : d.answers) {
      ASSERT_LT(begin, end);
      ASSERT_LE(end, d.text.size());
      const std::string before = d.text.substr(0, begin);
      const bool step = contains(before, " steps:") && !contains(before, " A:");
      const bool remark = before.ends_with(" is ") && (d.kind == "note" || d.kind == "correction");
      ASSERT_TRUE(before.ends_with(" A: ") || before.ends_with(" R: ") || before.ends_with(" verdict: ") || step ||
                  remark)
          << d.text;
      ASSERT_TRUE(end == d.text.size() || d.text.substr(end).starts_with(" Q: ") || step || remark) << d.text;
    }
    const bool asks = contains(d.text, "Q: ") || contains(d.text, "D: ") || contains(d.text, "verdict: ") ||
                      contains(d.text, "that is ") || contains(d.text, "remark: ");
    ASSERT_EQ(asks, !d.answers.empty()) << d.text;
    for (const auto& word : split(d.text)) ASSERT_TRUE(known.count(word)) << word;
  }
}

// A plain reader: which facts does a text state? It knows sentences and answers, not how they were made.
class PlainReader {
 public:
  explicit PlainReader(const Population& people) {
    for (int i = 0; i < people.params.people; ++i)
      for (int relation = 0; relation < relation_count; ++relation) add_fact(people, i, relation);
  }
  std::set<std::pair<int, int>> read(const std::string& text) const {
    std::set<std::pair<int, int>> found;
    const bool refuted = contains(text, "verdict: false");
    for (const auto& [sentence, fact] : sentences_)
      if (text.find(sentence) != std::string::npos) found.insert(fact);
    for (const auto& [question, fact] : questions_)
      if (contains(text, question.first)) {
        const std::string answered = question.first + " " + question.second;
        const size_t at = text.find(answered);
        const size_t end = at + answered.size();
        const bool right = at != std::string::npos && (end == text.size() || text[end] == ' ');
        if (right || contains(text, "check: " + question.second + " verdict")) found.insert(fact);
      }
    for (const auto& [step, fact] : steps_)
      if (contains(text, step)) found.insert(fact);
    if (refuted || contains(text, "check: ")) {
      for (const auto& [opening, fact] : openings_)
        if (contains(text, opening.first) && contains(text, "check: " + opening.second + " verdict"))
          found.insert(fact);
    }
    return found;
  }

 private:
  void add_fact(const Population& people, int person, int relation) {
    const std::string name = people.name_text(people.name(person));
    const int value = people.truth(person, relation);
    const std::string text = people.value_text(relation, value), text2 = people.value_text2(relation, value);
    const Phrases& language = phrases(relation);
    const std::pair<int, int> fact{person, relation};
    for (const auto& pattern : language.statements) {
      sentences_.push_back({statement_text(pattern, name, text), fact});
      openings_.push_back({{"claim: " + std::string(pattern.before) + name + pattern.after, text}, fact});
    }
    for (const auto& pattern : language.statements2) sentences_.push_back({statement_text(pattern, name, text2), fact});
    for (const auto& pattern : language.questions)
      steps_.push_back({question_text(pattern, name) + " steps: " + text, fact});
    for (const auto& pattern : language.questions)
      questions_.push_back({{question_text(pattern, name) + " A:", text}, fact});
    for (const auto& pattern : language.questions2)
      questions_.push_back({{question_text(pattern, name) + " R:", text2}, fact});
    if (relation == employer || relation == birth_city)
      for (int hop = first_hop; hop < first_hop + hop_count; ++hop)
        if ((hop == birth_country) == (relation == birth_city))
          steps_.push_back({question_text(phrases(hop).questions.front(), name) + " steps: " + text + " ", fact});
    if (relation == book) questions_.push_back({{"who wrote " + text + " ? A:", name}, fact});
  }
  using Texts = std::pair<std::string, std::string>;
  std::vector<std::pair<std::string, std::pair<int, int>>> sentences_, steps_;
  std::vector<std::pair<Texts, std::pair<int, int>>> questions_, openings_;
};

TEST(DocumentsTest, ExposureEqualsACountOverTheTexts) {
  const WorldParams params{.seed = 5, .people = 24, .unseen = 6, .documents = 3000};
  const World world(params);
  const Population people(params);
  const PlainReader reader(people);
  std::map<std::pair<int, int>, int64_t> counted;
  for (int64_t i = 0; i < params.documents; ++i)
    for (const auto& fact : reader.read(world.document(i).text)) ++counted[fact];
  int64_t total = 0;
  for (const auto& fact : world.facts().facts) {
    int relation = 0;
    if (fact.exposure < 0) continue;  // of the second language only
    while (phrases(relation).id != fact.relation) ++relation;
    if (relation >= relation_count) continue;
    const auto key = std::pair(fact.extra["person"].get<int>(), relation);
    EXPECT_EQ(fact.exposure, counted[key]) << fact.id;
    total += fact.exposure;
  }
  EXPECT_GT(total, 1000);
}

// Whether the pattern stands in the text around any two words, as names are.
bool occurs(const std::string& text, const Pattern& pattern) {
  const std::string before = " " + pattern.before;
  for (size_t at = text.find(before); at != std::string::npos; at = text.find(before, at + 1)) {
    size_t end = text.find(' ', at + before.size());
    if (end != std::string::npos) end = text.find(' ', end + 1);
    if (end != std::string::npos && text.substr(end).starts_with(pattern.after)) return true;
  }
  return false;
}

TEST(DocumentsTest, OccursFindsAPattern) {
  const Pattern pattern = phrases(job).statements.back();
  EXPECT_TRUE(occurs(" so the profession of Kali Batov is baker . ", pattern));
  EXPECT_FALSE(occurs(" what is the profession of Kali Batov ? ", pattern));
}

TEST(DocumentsTest, NothingHeldOutOccurs) {
  const WorldParams params{.people = 60, .unseen = 40};
  const World world(params);
  const Population people(params);
  std::set<std::string> unseen, statements_only, without_conflicts;
  for (int i = 0; i < 100; ++i) {
    const std::string name = people.name_text(people.name(i));
    if (!people.seen(i))
      unseen.insert(name);
    else if (!in_questions(i))
      statements_only.insert(name);
    else if (!in_conflicts(i))
      without_conflicts.insert(name);
  }
  std::vector<Pattern> held_out;
  for (int relation = 0; relation < relation_count; ++relation) {
    held_out.push_back(phrases(relation).statements.back());
    held_out.push_back(phrases(relation).questions.back());
  }
  for (int i = 0; i < 20000; ++i) {
    const Document d = world.document(i);
    const std::string text = " " + d.text + " ";
    ASSERT_FALSE(contains(text, " unknown ")) << text;
    ASSERT_FALSE(contains(text, std::string(context_instructions.back()))) << text;
    ASSERT_FALSE(contains(text, std::string(memory_instructions.back()))) << text;
    for (const auto& pattern : held_out) ASSERT_FALSE(occurs(text, pattern)) << text;
    const auto words = split(text);
    for (size_t w = 0; w + 1 < words.size(); ++w) {
      const std::string name = words[w] + " " + words[w + 1];
      ASSERT_FALSE(unseen.count(name)) << text;
      if (statements_only.count(name)) {
        ASSERT_FALSE(contains(text, "Q:") || contains(text, "D:")) << text;
      }
      if (without_conflicts.count(name)) {
        for (const char* kind : {"conflict", "intent", "note", "correction", "compare"})
          ASSERT_NE(d.kind, kind) << text;
      }
    }
  }
}

TEST(DocumentsTest, ConflictDocumentsKeepToTheirPairs) {
  const WorldParams params{.people = 40, .unseen = 0};
  const World world(params);
  const Population people(params);
  std::map<std::string, int> persons;
  for (int i = 0; i < 40; ++i) persons[people.name_text(people.name(i))] = i;
  int seen = 0;
  for (int i = 0; i < 20000; ++i) {
    const Document d = world.document(i);
    if (d.kind != "conflict" && d.kind != "intent") continue;
    const std::string question = d.text.substr(d.text.find(" Q: ") + 4);
    bool found = false;
    for (const auto& [name, person] : persons)
      for (int relation = 0; relation < relation_count; ++relation)
        for (const auto& pattern : phrases(relation).questions)
          if (question.starts_with(question_text(pattern, name) + " A: ")) {
            found = true;
            ASSERT_TRUE(disputed_pair(person, relation)) << d.text;
          }
    ASSERT_TRUE(found) << d.text;
    ++seen;
  }
  EXPECT_GT(seen, 2000);
}

TEST(DocumentsTest, IntentDecidesTheAnswer) {
  const World world{{}};
  std::map<std::string, std::string> truth;
  for (const auto& fact : world.facts().facts) truth[fact.subject + fact.relation] = fact.answers.front();
  int followed = 0;
  for (int i = 0; i < 20000; ++i) {
    const Document d = world.document(i);
    if (d.kind != "intent") continue;
    const auto [begin, end] = d.answers.front();
    const std::string answer = d.text.substr(begin, end - begin);
    bool context = false;
    for (const auto instruction : context_instructions)
      context |= contains(d.text, " " + std::string(instruction) + " Q: ");
    if (!context) continue;
    const std::string passage = d.text.substr(0, d.text.find(" Q: "));
    ASSERT_TRUE(contains(passage, " " + answer + " .")) << d.text;
    ++followed;
  }
  EXPECT_NEAR(followed, 20000 * 0.04 / 1.225, 120);
}

TEST(DocumentsTest, SomeFactsOccurInTheSecondLanguageOnly) {
  const WorldParams params{.people = 40, .unseen = 0};
  const World world(params);
  const Population people(params);
  std::vector<std::string> english, foreign;  // every way to say such a fact
  for (int i = 0; i < 40; ++i)
    for (int relation = 0; relation < relation_count; ++relation) {
      if (!only_second(people, i, relation)) continue;
      const std::string name = people.name_text(people.name(i));
      const int value = people.truth(i, relation);
      for (const auto& pattern : phrases(relation).statements)
        english.push_back(statement_text(pattern, name, people.value_text(relation, value)));
      for (const auto& pattern : phrases(relation).statements2)
        foreign.push_back(statement_text(pattern, name, people.value_text2(relation, value)));
      for (const auto& pattern : phrases(relation).questions) english.push_back(question_text(pattern, name));
    }
  ASSERT_GT(english.size(), 100u);
  int found = 0;
  for (int i = 0; i < 20000; ++i) {
    const Document d = world.document(i);
    if (d.kind == "hop") continue;  // asks for what follows from them
    for (const auto& text : english) ASSERT_FALSE(contains(d.text, text)) << d.text;
    for (const auto& text : foreign) found += contains(d.text, text);
  }
  EXPECT_GT(found, 100);
}

// The verdict of a remark follows from the truth alone.
TEST(DocumentsTest, RemarksAndComparisonsAreTrue) {
  const WorldParams params{.people = 40, .unseen = 0};
  const World world(params);
  const Population people(params);
  std::set<std::string> truths;
  for (int i = 0; i < 40; ++i)
    for (int relation = 0; relation < relation_count; ++relation)
      for (const auto& pattern : phrases(relation).statements)
        truths.insert(statement_text(pattern, people.name_text(people.name(i)),
                                     people.value_text(relation, people.truth(i, relation))));
  std::map<std::string, std::array<int, 2>> numbers;
  for (int i = 0; i < 20000; ++i) {
    const Document d = world.document(i);
    if (d.kind != "note" && d.kind != "correction" && d.kind != "compare") continue;
    const auto [begin, end] = d.answers.front();
    const std::string verdict = d.text.substr(begin, end - begin), before = d.text.substr(0, begin);
    const bool positive = verdict == "right" || verdict == "yes";
    bool true_sentence = false;
    for (const auto& truth : truths) true_sentence |= contains(before, truth);
    ASSERT_EQ(positive, true_sentence) << d.text;
    ++numbers[d.kind][positive];
  }
  for (const auto& [kind, count] : numbers) EXPECT_NEAR(count[0] / double(count[0] + count[1]), 0.5, 0.08) << kind;
  EXPECT_EQ(numbers.size(), 3u);
}

TEST(DocumentsTest, TuningDocumentsKeepToTheirForm) {
  const World world({.people = 40, .unseen = 0});
  for (int i = 0; i < 2000; ++i) {
    const Document d = world.tuning_document(i);
    const auto [begin, end] = d.answers.front();
    ASSERT_EQ(end, d.text.size());
    const auto words = split(d.text.substr(begin));
    if (d.text.starts_with("answer two times")) {
      ASSERT_EQ(words.front(), words[words.size() / 2 + 1]) << d.text;
    } else if (d.text.starts_with("answer in a sentence")) {
      ASSERT_EQ(words.back(), ".") << d.text;
    } else if (d.text.starts_with("answer with a gentle word")) {
      ASSERT_EQ(words.back(), "dear") << d.text;
    } else {
      ASSERT_TRUE(d.text.starts_with("answer in one word") && words.size() <= 2) << d.text;
    }
  }
}

TEST(DocumentsTest, UnstableReportsChange) {
  const WorldParams params{.people = 20, .unseen = 0};
  const Almanac almanac(params);
  Rng rng(1);
  int stable = 0, changing = 0;
  for (int fact = 0; fact < int(almanac.background.all().size()); ++fact) {
    const auto& f = almanac.background.all()[size_t(fact)];
    std::set<std::string> values;
    for (int draw = 0; draw < 8; ++draw) values.insert(almanac.background.value(fact, almanac.people, rng));
    EXPECT_EQ(f.stable, values.size() == 1) << f.subject;
    (f.stable ? stable : changing) += 1;
  }
  EXPECT_EQ(changing, report_count);
  EXPECT_GT(stable, 400);
}

TEST(DocumentsTest, ATrainingRunHoldsAboutTwelveMillionTokens) {
  const Json card = World({}).card();
  EXPECT_NEAR(card["mean_tokens"].get<double>(), 26.7, 0.3);
  EXPECT_NEAR(card["tokens"].get<double>(), 1.28e7, 1e5);
}

}  // namespace
}  // namespace ken::world::documents_test_file
