// CounterFact's records as facts: the beginning of a sentence, paraphrases, two passages.
#include "ken/data/counterfact.h"

#include <gtest/gtest.h>

#include "ken/base/error.h"
#include "ken/data/facts.h"
#include "tests/fixtures.h"

namespace ken::data::counterfact_test_file {
namespace {

const std::string record =
    R"({"case_id": 4, "requested_rewrite": {"prompt": "{} was born in", "relation_id": "P19", "subject": "Ino Vale",)"
    R"( "target_true": {"str": "Rome", "id": "Q220"}, "target_new": {"str": "Porto", "id": "Q36433"}},)"
    R"( "paraphrase_prompts": ["Rain fell. Ino Vale, from"], "neighborhood_prompts": ["Uma Rill was born in"],)"
    R"( "attribute_prompts": ["x"]})";

FactSet read(const std::string& text) {
  const auto path = test::scratch("counterfact") / "facts.json";
  write_text(path, text);
  return read_facts(path);
}

TEST(CounterfactFactsTest, a_record_is_a_fact_with_its_paraphrase_and_two_passages) {
  const FactSet set = read("[" + record + "]");
  ASSERT_EQ(set.facts.size(), 1u);
  const Fact& fact = set.facts[0];
  EXPECT_EQ(fact.id, "4");
  EXPECT_EQ(fact.relation, "P19");
  EXPECT_EQ(fact.subject, "Ino Vale");
  EXPECT_EQ(fact.beginning, "Ino Vale was born in");
  EXPECT_EQ(fact.answers, std::vector<std::string>{"Rome"});
  EXPECT_EQ(fact.statement, "Ino Vale was born in Rome.");
  ASSERT_EQ(fact.variants.size(), 1u);
  EXPECT_EQ(fact.variants[0].beginning, "Rain fell. Ino Vale, from");
  EXPECT_EQ(fact.extra, (Json{{"target_new", "Porto"}, {"neighborhood_prompts", {"Uma Rill was born in"}}}));
  ASSERT_EQ(set.contexts.size(), 2u);
  EXPECT_EQ(set.contexts[0].kind, "agree");
  const ContextCase& conflict = set.contexts[1];
  EXPECT_EQ(conflict.kind, "conflict");
  EXPECT_EQ(conflict.context, "Ino Vale was born in Porto.");
  EXPECT_EQ(conflict.context_answers, std::vector<std::string>{"Porto"});
  EXPECT_EQ(conflict.beginning, fact.beginning);
}

TEST(CounterfactFactsTest, what_is_written_reads_back) {
  const FactSet set = read(record), back = read(to_json(set.facts[0]).dump() + "\n" + to_json(set.contexts[1]).dump());
  EXPECT_EQ(to_json(back.facts[0]), to_json(set.facts[0]));
  EXPECT_EQ(to_json(back.contexts[0]), to_json(set.contexts[1]));
}

TEST(CounterfactFactsTest, a_damaged_record_names_what_is_wrong_and_where) {
  const auto error = [](const std::string& text) {
    try {
      read(text);
    } catch (const Error& found) {
      return std::string(found.what());
    }
    return std::string();
  };
  EXPECT_NE(error(R"({"requested_rewrite": 5})").find("facts.json:1] 'requested_rewrite' must be an object"),
            std::string::npos);
  EXPECT_NE(error(R"({"requested_rewrite": {"prompt": "no slot", "subject": "a"}})").find("has no {}"),
            std::string::npos);
  EXPECT_NE(error(record + "\n" + record).find("facts.json:2] id '4' was already used"), std::string::npos);
  std::string bad = record;
  const std::string prompts = R"(["Rain fell. Ino Vale, from"])";
  bad.replace(bad.find(prompts), prompts.size(), "[5]");
  EXPECT_NE(error(bad).find("'paraphrase_prompts' must hold texts"), std::string::npos) << error(bad);
}

}  // namespace
}  // namespace ken::data::counterfact_test_file
