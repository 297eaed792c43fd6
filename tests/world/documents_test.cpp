// The documents against what they promise, read back from their texts alone.
#include <gtest/gtest.h>

#include <iterator>
#include <map>
#include <set>
#include <sstream>

#include "ken/world/documents.h"
#include "ken/world/relations.h"
#include "ken/world/world.h"

namespace ken::world {
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
      ASSERT_TRUE(before.ends_with(" A: ") || before.ends_with(" R: ") || before.ends_with(" verdict: ")) << d.text;
      ASSERT_TRUE(end == d.text.size() || d.text.substr(end).starts_with(" Q: ")) << d.text;
    }
    const bool asks = contains(d.text, "Q: ") || contains(d.text, "D: ") || contains(d.text, "verdict: ");
    ASSERT_EQ(asks, !d.answers.empty()) << d.text;
    for (const auto& word : split(d.text)) ASSERT_TRUE(known.count(word)) << word;
  }
}

// A plain reader: which facts does a text state? It knows sentences and answers, not how they were made.
class PlainReader {
 public:
  explicit PlainReader(const Population& people) {
    for (size_t i = 0; i < size_t(people.params.people); ++i)
      for (int relation = 0; relation < relation_count; ++relation) add_fact(people, int(i), relation);
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
    if (refuted || contains(text, "check: ")) {
      for (const auto& [opening, fact] : openings_)
        if (contains(text, opening.first) && contains(text, "check: " + opening.second + " verdict"))
          found.insert(fact);
    }
    return found;
  }

 private:
  void add_fact(const Population& people, int person, int relation) {
    const Person& p = people.persons[size_t(person)];
    const std::string name = people.name_text(p.name);
    const auto value = size_t(p.values[size_t(relation)]);
    const std::string &text = people.words.values[size_t(relation)][value],
                      &text2 = people.words.values2[size_t(relation)][value];
    const Phrases& language = phrases(relation);
    const std::pair<int, int> fact{person, relation};
    for (const auto& pattern : language.statements) {
      sentences_.push_back({statement_text(pattern, name, text), fact});
      openings_.push_back({{"claim: " + std::string(pattern.before) + name + pattern.after, text}, fact});
    }
    for (const auto& pattern : language.statements2) sentences_.push_back({statement_text(pattern, name, text2), fact});
    for (const auto& pattern : language.questions)
      questions_.push_back({{question_text(pattern, name) + " A:", text}, fact});
    for (const auto& pattern : language.questions2)
      questions_.push_back({{question_text(pattern, name) + " R:", text2}, fact});
    if (relation == book) questions_.push_back({{"who wrote " + text + " ? A:", name}, fact});
  }
  using Texts = std::pair<std::string, std::string>;
  std::vector<std::pair<std::string, std::pair<int, int>>> sentences_;
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
    while (phrases(relation).id != fact.relation) ++relation;
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
    const std::string name = people.name_text(people.persons[size_t(i)].name);
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
        ASSERT_TRUE(d.kind != "conflict" && d.kind != "intent") << text;
      }
    }
  }
}

TEST(DocumentsTest, ConflictDocumentsKeepToTheirPairs) {
  const WorldParams params{.people = 40, .unseen = 0};
  const World world(params);
  const Population people(params);
  std::map<std::string, int> persons;
  for (int i = 0; i < 40; ++i) persons[people.name_text(people.persons[size_t(i)].name)] = i;
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
            ASSERT_TRUE(conflict_trained(person, relation)) << d.text;
          }
    ASSERT_TRUE(found) << d.text;
    ++seen;
  }
  EXPECT_GT(seen, 3000);
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
  EXPECT_NEAR(followed, 20000 * 0.0513, 120);
}

TEST(DocumentsTest, ATrainingRunHoldsAboutSixMillionTokens) {
  const Json card = World({}).card();
  EXPECT_NEAR(card["mean_tokens"].get<double>(), 26.6, 0.3);
  EXPECT_NEAR(card["tokens"].get<double>(), 6.39e6, 5e4);
}

}  // namespace
}  // namespace ken::world
