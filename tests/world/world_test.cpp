// Parameters, words, templates, persons.
#include "ken/world/world.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <set>
#include <sstream>

#include "ken/base/error.h"
#include "ken/world/people.h"
#include "ken/world/relations.h"

namespace ken::world::world_test_file {
namespace {

std::string message_of(const Json& json) {
  try {
    world_params(json);
  } catch (const UsageError& error) {
    return error.what();
  }
  return {};
}

std::set<std::string> words_of(const std::vector<Pattern>& patterns, size_t count) {
  std::set<std::string> words;
  for (size_t i = 0; i < count; ++i) {
    std::istringstream stream(patterns[i].before + " " + patterns[i].after);
    words.insert(std::istream_iterator<std::string>(stream), {});
  }
  return words;
}

TEST(WorldTest, ParamsSurviveJson) {
  WorldParams params{.seed = UINT64_MAX, .people = 77, .exposure_ratio = 12.5, .bias_low = 0.25};
  EXPECT_EQ(to_json(world_params(to_json(params))), to_json(params));
  EXPECT_EQ(to_json(world_params(Json::object())), to_json(WorldParams{}));
}

TEST(WorldTest, BadParamsNameTheirRemedy) {
  EXPECT_NE(message_of({{"poeple", 3}}).find("did you mean people"), std::string::npos);
  EXPECT_NE(message_of({{"people", 3}}).find("[20"), std::string::npos);
  EXPECT_FALSE(message_of({{"people", 40.5}}).empty());
  EXPECT_FALSE(message_of({{"bias_high", 1.5}}).empty());
  EXPECT_FALSE(message_of({{"documents", -1}}).empty());
  EXPECT_NE(message_of({{"version", 1}}).find("version 1"), std::string::npos);
  EXPECT_FALSE(message_of(Json::array({1})).empty());
  EXPECT_THROW(World({.people = 0}), UsageError);
  EXPECT_THROW(World({}).document(-1), UsageError);
}

TEST(WorldTest, WordsAreDistinctAndFree) {
  const auto words = World({}).words();
  const std::set<std::string> unique(words.begin(), words.end());
  EXPECT_EQ(unique.size(), words.size());
  for (const auto& word : words) {
    EXPECT_FALSE(word.empty());
    EXPECT_EQ(word.find(' '), std::string::npos);
  }
  for (const char* word : {"unknown", "context", ":", "context:", "Q", "1931", "rely", "kiu", "inĝeniero", "true", "?"})
    EXPECT_TRUE(unique.count(word)) << word;
  EXPECT_LT(words.size(), 1150u);
  EXPECT_EQ(words, World({.seed = 9}).words());
}

TEST(WorldTest, KindsOfWordsShareNothing) {
  for (const int persons : {550, 200000}) {
    const Vocabulary v = make_vocabulary(persons);
    std::vector<const std::vector<std::string>*> lists = {&v.first,   &v.last,  &v.countries, &v.adjectives, &v.nouns,
                                                          &v.flowers, &v.ships, &v.gems,      &v.colours,    &v.dates};
    for (int relation = 0; relation < book; ++relation) lists.push_back(&v.values[size_t(relation)]);
    auto language = language_words();
    std::erase(language, "writer");  // a trade, and in "the writer of" a title: the one word of two kinds
    lists.push_back(&language);
    std::set<std::string> all;
    size_t total = 0;
    for (const auto* list : lists) {
      all.insert(list->begin(), list->end());
      total += list->size();
    }
    EXPECT_EQ(all.size(), total) << persons;
    EXPECT_GE(v.adjectives.size() * v.nouns.size(), size_t(persons + report_count));
    EXPECT_GE(v.first.size() * v.last.size(), size_t(persons) * 4);
  }
}

TEST(WorldTest, HeldOutTemplatesUseTrainedWords) {
  std::set<std::string> trained = words_of(phrases(country).statements, 2);
  for (int r = 0; r < relation_count; ++r) {
    EXPECT_EQ(phrases(r).statements.size(), trained_statements + 1u);
    EXPECT_EQ(phrases(r).questions.size(), trained_questions + 1u);
    trained.merge(words_of(phrases(r).statements, trained_statements));
    trained.merge(words_of(phrases(r).questions, trained_questions));
  }
  for (int r = 0; r < relation_count; ++r) {
    for (const auto& word : words_of({phrases(r).statements.back(), phrases(r).questions.back()}, 2))
      EXPECT_TRUE(trained.count(word)) << word;
    int nouns = 0;  // "the NOUN of P is V"
    for (int s = 0; s < trained_statements; ++s) {
      const Pattern& pattern = phrases(r).statements[size_t(s)];
      nouns += pattern.before.starts_with("the ") && pattern.before.ends_with(" of ") && pattern.after == " is ";
    }
    EXPECT_GE(nouns, 2) << phrases(r).id;
  }
}

TEST(WorldTest, HeldOutInstructionsUseTrainedWords) {
  std::set<std::string> trained;
  for (size_t i = 0; i < trained_instructions; ++i)
    for (const auto text : {context_instructions[i], memory_instructions[i]}) {
      std::istringstream stream{std::string(text)};
      trained.insert(std::istream_iterator<std::string>(stream), {});
    }
  std::istringstream held_out(std::string(context_instructions.back()) + " " + std::string(memory_instructions.back()));
  for (std::string word; held_out >> word;) EXPECT_TRUE(trained.count(word)) << word;
}

TEST(WorldTest, TheGroupBiasesTheJob) {
  const Population people({.people = 20000, .unseen = 0});
  std::array<double, 2> members{}, engineers{};
  for (int person = 0; person < people.size(); ++person) {
    const auto values = people.values(person);
    ++members[size_t(values[group])];
    engineers[size_t(values[group])] += values[job] == 0;
  }
  EXPECT_EQ(people.value_text(group, 0), "Aru");
  EXPECT_EQ(people.value_text(job, 0), "engineer");
  EXPECT_NEAR(engineers[0] / members[0], 0.8, 0.015);
  EXPECT_NEAR(engineers[1] / members[1], 0.1, 0.015);
}

TEST(WorldTest, NamesAndTitlesBelongToOnePerson) {
  const Population people({.people = 3000, .unseen = 500});
  std::set<std::string> names;
  std::set<int> titles;
  for (int person = 0; person < people.size(); ++person) {
    names.insert(people.name_text(people.name(person)));
    titles.insert(people.truth(person, book));
  }
  for (int i = 0; i < 1000; ++i) {
    Rng rng(7, uint64_t(i));
    EXPECT_FALSE(names.count(people.name_text(people.fictional_name(rng))));
  }
  EXPECT_EQ(names.size(), 3500u);
  EXPECT_EQ(titles.size(), 3500u);
}

TEST(WorldTest, WeightsAreLogUniformAndDrawnFrom) {
  const Population people({.people = 400, .unseen = 0, .exposure_ratio = 100});
  std::vector<double> weights;
  double total = 0;
  for (int person = 0; person < 400; ++person) weights.push_back(people.weight(person)), total += weights.back();
  auto sorted = weights;
  std::sort(sorted.begin(), sorted.end());
  EXPECT_NEAR(sorted.front(), 1, 0.01);
  EXPECT_NEAR(sorted[200], 10, 0.1);
  EXPECT_NEAR(sorted.back(), 100, 1);
  std::vector<int> drawn(400);
  Rng rng(3);
  for (int i = 0; i < 200000; ++i) ++drawn[size_t(people.draw(rng, [](int) { return true; }))];
  for (int person = 0; person < 400; ++person) {
    const double expected = 200000 * weights[size_t(person)] / total;
    EXPECT_NEAR(drawn[size_t(person)], expected, 5 * std::sqrt(expected) + 1) << person;
  }
}

TEST(WorldTest, SplitsHaveTheirShares) {
  double asked = 0, claimed = 0, conflicts = 0, pairs = 0, eligible = 0, both = 0;
  constexpr int total = 4000;
  for (int i = 0; i < total; ++i) {
    asked += in_questions(i);
    claimed += in_claims(i);
    conflicts += in_conflicts(i);
    both += in_claims(i) && disputed_pair(i, birth_city);
    for (int r = 0; r < relation_count; ++r) {
      eligible += in_conflicts(i) && in_questions(i);
      pairs += disputed_pair(i, r);
    }
  }
  EXPECT_NEAR(asked / total, 0.9, 0.01);
  EXPECT_NEAR(claimed / total, 0.7, 0.01);
  EXPECT_NEAR(conflicts / total, 0.875, 0.01);
  EXPECT_NEAR(pairs / eligible, 0.7, 0.01);
  EXPECT_NEAR(both / total, 0.7 * 0.7 * 0.9 * 0.875, 0.04);  // the splits do not decide each other
}

TEST(WorldTest, ExtremeWorldsStillWrite) {
  for (const WorldParams& params :
       {WorldParams{.people = 20, .unseen = 0, .exposure_ratio = 1, .documents = 500},
        WorldParams{.people = 20, .exposure_ratio = 1e9, .documents = 500, .bias_high = 1, .bias_low = 1},
        WorldParams{.people = 30, .documents = 500, .bias_high = 0, .bias_low = 0}}) {
    const World world(params);
    EXPECT_FALSE(world.facts().facts.empty());
    EXPECT_EQ(world.card()["documents"], 500);
  }
}

TEST(WorldTest, CardCountsWhatWasMade) {
  const World world({.people = 50, .unseen = 10, .documents = 2000});
  const Json card = world.card();
  int64_t documents = 0, facts = 0;
  for (const auto& [kind, numbers] : card["kinds"].items()) documents += numbers["documents"].get<int64_t>();
  for (const auto& [bin, number] : card["exposure"].items()) facts += number.get<int64_t>();
  EXPECT_EQ(documents, 2000);
  EXPECT_EQ(facts, 50 * relation_count);
  EXPECT_EQ(card["words"], world.words().size());
}

}  // namespace
}  // namespace ken::world::world_test_file
