// Facts and context cases of a world.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>

#include "ken/base/error.h"
#include "ken/world/relations.h"
#include "ken/world/world.h"

namespace ken::world::questions_test_file {
namespace {

const data::FactSet& standard_facts() {
  static const data::FactSet set = World({}).facts();
  return set;
}

TEST(QuestionsTest, FactsCoverKnownAndUnseenPersons) {
  std::set<std::string> ids, questions;
  for (const auto& fact : standard_facts().facts) {
    ids.insert(fact.id);
    questions.insert(fact.question);
    EXPECT_NE(fact.question.find(fact.subject), std::string::npos);
    EXPECT_NE(fact.statement.find(" " + fact.answers.front() + " ."), std::string::npos);
    EXPECT_NE(fact.statement.find(fact.subject), std::string::npos);
    for (const auto& variant : fact.variants) EXPECT_NE(fact.question, variant.question);
    if (!fact.extra.value("seen", true)) {
      EXPECT_EQ(fact.exposure, 0);
      EXPECT_FALSE(fact.extra["qa_trained"].get<bool>());
    }
    EXPECT_EQ(fact.exposure < 0, fact.extra.value("second_only", false));
  }
  constexpr size_t background = 64 + 48 + 24 * 4 + 6 * 40 + 2 * 120;
  EXPECT_EQ(ids.size(), 550u * 7 + 200 + background);
  EXPECT_EQ(questions.size(), ids.size());
}

TEST(QuestionsTest, AnswersOfARelationCoverItsValues) {
  std::map<std::string, std::set<std::string>> values;
  for (const auto& fact : standard_facts().facts) values[fact.relation].insert(fact.answers.front());
  const Json sizes = World({}).card()["relations"];
  for (const auto& [relation, size] : sizes.items()) {
    if (relation == "group") continue;  // never asked for
    const double expected = relation == "book" ? 550 : size.get<double>();
    // Some persons' facts count as facts of the second language only.
    EXPECT_GE(double(values[relation].size()), 0.9 * expected) << relation;
  }
}

TEST(QuestionsTest, FollowFromTheSeed) {
  const auto again = World({}).facts();
  ASSERT_EQ(again.contexts.size(), standard_facts().contexts.size());
  for (size_t i = 0; i < again.contexts.size(); ++i)
    ASSERT_EQ(data::to_json(again.contexts[i]), data::to_json(standard_facts().contexts[i]));
}

TEST(QuestionsTest, ContextCasesHaveTheirNumbers) {
  std::map<std::string, int> numbers;
  std::set<std::string> ids, facts;
  for (const auto& fact : standard_facts().facts) facts.insert(fact.id);
  int held_out = 0, phrases = 0, templates = 0, without = 0, rare = 0, frequent = 0;
  for (const auto& item : standard_facts().contexts) {
    ++numbers[item.kind + " " + item.intent];
    ids.insert(item.id);
    EXPECT_TRUE(facts.count(item.fact));
    held_out += item.intent == "none" && item.extra.value("held_out", false);
    without += item.intent == "none" && item.extra.value("person_without_conflicts", false);
    phrases += item.extra.value("held_out_phrase", false);
    templates += item.extra.value("held_out_template", false);
    rare += item.kind == "conflict" && item.exposure <= 2;
    frequent += item.kind == "conflict" && item.exposure > 40;
  }
  EXPECT_EQ(ids.size(), standard_facts().contexts.size());
  EXPECT_EQ(numbers, (std::map<std::string, int>{{"agree none", 800},
                                                 {"conflict context", 300},
                                                 {"conflict memory", 300},
                                                 {"conflict none", 950},
                                                 {"irrelevant none", 200},
                                                 {"reading none", 450}}));
  EXPECT_GT(held_out, 700);
  EXPECT_LT(held_out, 1600);
  EXPECT_GT(without, 400);
  EXPECT_NEAR(phrases, 200, 40);
  EXPECT_EQ(templates, 225);
  EXPECT_GT(rare, 150);
  EXPECT_GT(frequent, 300);
}

TEST(QuestionsTest, PassagesSayWhatTheirKindPromises) {
  for (const auto& item : standard_facts().contexts) {
    const auto says = [&](const std::string& value) {
      return item.context.find(" " + value + " .") != std::string::npos;
    };
    if (item.kind == "irrelevant") {
      EXPECT_TRUE(item.context_answers.empty());
      EXPECT_FALSE(says(item.answers.front())) << item.context;
      continue;
    }
    EXPECT_TRUE(says(item.context_answers.front())) << item.context;
    EXPECT_NE(item.context.find(item.context_subject), std::string::npos);
    EXPECT_EQ(item.context_answers == item.answers, item.kind != "conflict");
    if (item.kind == "conflict") {
      EXPECT_FALSE(says(item.answers.front())) << item.context;
    }
    EXPECT_EQ(item.instruction.empty(), item.intent == "none");
    EXPECT_EQ(std::count(item.context.begin(), item.context.end(), '.'), 1 + item.extra["distractors"].get<int>());
  }
}

TEST(QuestionsTest, ClaimsAreHalfTrueAndSayWhatTheyClaim) {
  std::map<std::string, const data::Fact*> facts;
  for (const auto& fact : standard_facts().facts) facts[fact.id] = &fact;
  int truths = 0, held_out = 0;
  for (const auto& claim : standard_facts().claims) {
    const data::Fact& fact = *facts.at(claim.fact);
    EXPECT_EQ(claim.truth, claim.statement.find(" " + fact.answers.front() + " .") != std::string::npos);
    EXPECT_NE(claim.statement.find(fact.subject), std::string::npos);
    truths += claim.truth;
    held_out += claim.extra["held_out"].get<bool>();
  }
  EXPECT_EQ(standard_facts().claims.size(), 800u);
  EXPECT_EQ(truths, 400);
  EXPECT_NEAR(held_out, 240, 50);
}

TEST(QuestionsTest, HopsNameTheFactsTheyTake) {
  std::map<std::string, const data::Fact*> facts;
  for (const auto& fact : standard_facts().facts) facts[fact.id] = &fact;
  int hops = 0;
  for (const auto& fact : standard_facts().facts) {
    if (!fact.extra.contains("hops")) continue;
    ++hops;
    std::string reached = fact.subject;
    for (const Json& id : fact.extra["hops"]) {
      const data::Fact& step = *facts.at(id.get<std::string>());
      EXPECT_EQ(step.subject, reached);
      reached = step.answers.front();
    }
    EXPECT_EQ(reached, fact.answers.front());
  }
  EXPECT_EQ(hops, 200);
}

TEST(QuestionsTest, ALargeWorldAsksAsMuchAsASmallOne) {
  const World world({.people = 1000000, .unseen = 1000, .documents = 1000});
  const auto facts = world.facts();
  EXPECT_LT(facts.facts.size(), 30000u);
  EXPECT_GT(facts.facts.size(), 20000u);
}

TEST(QuestionsTest, AskedAsInTheDocuments) {
  const World world{{}};
  const data::PromptStyle style = prompt_style();
  EXPECT_EQ(data::ask(style, "where was P born ?"), "Q: where was P born ? A:");
  EXPECT_EQ(data::ask_with_context(style, "c .", "", "q ?"), "context: c . Q: q ? A:");
  EXPECT_EQ(data::ask_with_context(style, "c .", "use it", "q ?"), "context: c . use it Q: q ? A:");
  const auto words = world.words();
  const std::set<std::string> known(words.begin(), words.end());
  for (const auto& item : standard_facts().contexts) {
    const std::string prompt = data::ask_with_context(style, item.context, item.instruction, item.question);
    for (size_t begin = 0; begin < prompt.size();) {
      const size_t end = std::min(prompt.find(' ', begin), prompt.size());
      ASSERT_TRUE(known.count(prompt.substr(begin, end - begin))) << prompt;
      begin = end + 1;
    }
  }
}

}  // namespace
}  // namespace ken::world::questions_test_file
