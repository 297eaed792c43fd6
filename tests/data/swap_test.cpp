// Counterfactual passages by substitution.
#include <gtest/gtest.h>

#include "ken/data/facts.h"

namespace ken::data::swap_test_file {
namespace {

FactSet cities() {
  FactSet set;
  const std::vector<std::string> names = {"Oslo", "Rome", "Lima", "Bern"};
  for (const auto& name : names)
    set.facts.push_back({name,
                         "person of " + name,
                         "city",
                         "where ?",
                         {name},
                         5,
                         "g" + name,
                         "Born in " + name + ", not in " + name + "n.",
                         {}});
  return set;
}

TEST(SwapTest, ReplacesTheAnswerByAnotherOfItsRelation) {
  const FactSet set = cities();
  const auto cases = swap_contexts(set, 1, 100);
  ASSERT_EQ(cases.size(), 4u);
  for (size_t i = 0; i < cases.size(); ++i) {
    const ContextCase& item = cases[i];
    const std::string& own = set.facts[i].answers.front();
    EXPECT_EQ(item.fact, set.facts[i].id);
    EXPECT_EQ(item.kind, "conflict");
    EXPECT_FALSE(same_answer(item.context_answers.front(), item.answers));
    EXPECT_EQ(item.context,
              "Born in " + item.context_answers.front() + ", not in " + own + "n.");  // words, not parts of words
    EXPECT_EQ(item.group, set.facts[i].group);
  }
}

TEST(SwapTest, FollowsFromTheSeed) {
  const auto texts = [](uint64_t seed) {
    std::string all;
    for (const auto& item : swap_contexts(cities(), seed, 3)) all += item.id + item.context;
    return all;
  };
  EXPECT_EQ(texts(1), texts(1));
  EXPECT_NE(texts(1) + texts(2), texts(3) + texts(4));
  EXPECT_EQ(swap_contexts(cities(), 1, 2).size(), 2u);
}

TEST(SwapTest, NothingToSwapGivesNothing) {
  FactSet set;
  set.facts.push_back({"a", "", "r", "q", {"x"}, -1, "", "It is x.", {}});
  set.facts.push_back({"b", "", "r", "q", {"X!"}, -1, "", "It is X!.", {}});     // the same answer
  set.facts.push_back({"c", "", "r", "q", {"y"}, -1, "", "Nothing here.", {}});  // states no answer
  const auto cases = swap_contexts(set, 1, 10);
  for (const auto& item : cases) EXPECT_EQ(item.context_answers.front(), "y");
  set.facts[2].relation = "other";
  EXPECT_TRUE(swap_contexts(set, 1, 10).empty());
  EXPECT_TRUE(swap_contexts({}, 1, 10).empty());
}

}  // namespace
}  // namespace ken::data::swap_test_file
