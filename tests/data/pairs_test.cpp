// Contrast pairs and bindings: aligned, different where they should be, repeatable.
#include "ken/data/pairs.h"

#include <gtest/gtest.h>

#include <set>
#include <sstream>

#include "ken/base/error.h"
#include "ken/data/binding.h"
#include "tests/fixtures.h"

namespace ken::data::pairs_test_file {
namespace {

// A token a word; its number is the word's.
std::vector<int32_t> words(const std::string& text) {
  std::vector<int32_t> result;
  std::istringstream stream(text);
  for (std::string word; stream >> word;) result.push_back(int32_t(std::hash<std::string>()(word) & 0xffffff));
  return result;
}

FactSet cities() {
  FactSet set;
  const std::vector<std::pair<const char*, const char*>> all = {
      {"Ann", "Rome"}, {"Bob", "Bonn"}, {"Cleo", "Oslo"}, {"Dan", "Rome"}, {"Eve Adams", "Kiel"},
      {"Fay", "Graz"}, {"Gil", "Bern"}, {"Hal", "Lund"},  {"Ida", "Metz"}, {"Jan", "Nice"}};
  for (const auto& [name, city] : all) {
    Fact& fact = set.facts.emplace_back();
    fact.id = fact.group = fact.subject = name;
    fact.relation = "city";
    fact.question = std::string("Where does ") + name + " live ?";
    fact.answers = {city};
    fact.statement = std::string(name) + " lives in " + city + " .";
    ContextCase& item = set.contexts.emplace_back();
    item.id = std::string(name) + ".conflict";
    item.fact = fact.id;
    item.kind = "conflict";
    item.context = std::string(name) + " lives in Paris .";
    item.question = fact.question;
    item.context_answers = {"Paris"};
  }
  return set;
}

TEST(PairsTest, subjects_are_exchanged_for_others_of_the_relation_with_another_answer) {
  const auto pairs = subject_pairs(cities(), {}, words, 1, 100);
  EXPECT_EQ(pairs.size(), 9u);  // nobody else has a name of two words
  for (const auto& pair : pairs) {
    EXPECT_NE(pair.clean_answer, pair.corrupt_answer);
    EXPECT_EQ(words(pair.clean).size(), words(pair.corrupt).size());
    EXPECT_NE(pair.clean, pair.corrupt);
  }
  const auto again = subject_pairs(cities(), {}, words, 1, 4);
  ASSERT_EQ(again.size(), 4u);
  for (size_t i = 0; i < again.size(); ++i) EXPECT_EQ(again[i].corrupt, pairs[i].corrupt);
}

TEST(PairsTest, a_passages_value_is_exchanged) {
  const auto pairs = passage_pairs(cities(), {}, {"conflict"}, words, 1, 5);
  ASSERT_EQ(pairs.size(), 5u);
  for (const auto& pair : pairs) {
    EXPECT_EQ(pair.clean_answer, "Paris");
    std::string exchanged = pair.clean;
    exchanged.replace(exchanged.find("Paris"), 5, pair.corrupt_answer);
    EXPECT_EQ(pair.corrupt, exchanged);
  }
  EXPECT_TRUE(passage_pairs(cities(), {}, {"reading"}, words, 1, 5).empty());
}

TEST(PairsTest, a_file_of_pairs_is_read_and_its_faults_are_named_by_line) {
  const fs::path path = test::scratch("pairs") / "pairs.jsonl";
  const std::string good =
      "{\"clean\": \"a b c\", \"corrupt\": \"a d c\", \"answer\": \"x\", \"corrupt_answer\": \"y\"}\n";
  write_text(path, good);
  const auto pairs = read_pairs(path, words);
  ASSERT_EQ(pairs.size(), 1u);
  EXPECT_EQ(pairs[0].corrupt_answer, "y");
  for (const char* bad :
       {"{\"clean\": \"a b\", \"corrupt\": \"a d c\", \"answer\": \"x\", \"corrupt_answer\": \"y\"}\n",
        "{\"clean\": \"a b\", \"answer\": \"x\", \"corrupt_answer\": \"y\"}\n"}) {
    write_text(path, good + bad);
    try {
      read_pairs(path, words);
      FAIL() << bad;
    } catch (const Error& error) {
      EXPECT_NE(std::string(error.what()).find("pairs.jsonl:2"), std::string::npos) << error.what();
    }
  }
}

TEST(BindingTest, counterparts_are_aligned_and_differ_in_one_thing) {
  const auto sets = bindings(cities(), {}, words, 3, 2, 1, 20);
  ASSERT_GE(sets.size(), 8u);
  for (const auto& set : sets) {
    const auto tokens = words(ask_binding({}, set.base));
    ASSERT_EQ(set.unbound.size(), 2u);
    for (const Binding* other : {&set.unbound[0], &set.unbound[1], &set.moved, &set.revalued, &set.relabelled})
      EXPECT_EQ(words(ask_binding({}, *other)).size(), tokens.size());
    EXPECT_EQ(std::set<std::string>(set.base.subjects.begin(), set.base.subjects.end()).size(), 3u);
    EXPECT_NE(set.base.passage().find(set.base.asked_subject() + " lives in " + set.base.answer()), std::string::npos);
    // moved: the same sentences, the asked one elsewhere
    EXPECT_NE(set.moved.asked, set.base.asked);
    EXPECT_EQ(set.moved.asked_subject(), set.base.asked_subject());
    EXPECT_EQ(set.moved.answer(), set.base.answer());
    // revalued: the same subjects, no value of base
    EXPECT_EQ(set.revalued.subjects, set.base.subjects);
    for (const auto& value : set.revalued.values)
      EXPECT_EQ(std::count(set.base.values.begin(), set.base.values.end(), value), 0);
    // unbound: the asked subject is not in the passage, but in the question
    for (const Binding& other : set.unbound) {
      EXPECT_EQ(other.passage().find(set.base.asked_subject()), std::string::npos);
      EXPECT_NE(ask_binding({}, other).find(set.base.asked_subject()), std::string::npos);
    }
    // relabelled: the same passage, another question
    EXPECT_EQ(set.relabelled.passage(), set.base.passage());
    EXPECT_NE(set.relabelled.asked_subject(), set.base.asked_subject());
  }
  EXPECT_EQ(bindings(cities(), {}, words, 3, 2, 1, 2)[1].base.passage(), sets[1].base.passage());
  EXPECT_TRUE(bindings(cities(), {}, words, 8, 2, 1, 20).empty());  // there are not sixteen of them
}

}  // namespace
}  // namespace ken::data::pairs_test_file
