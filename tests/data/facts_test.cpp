// Every form of a facts file, and every error with its line.
#include "ken/data/facts.h"

#include <gtest/gtest.h>

#include "ken/base/error.h"
#include "ken/io/records.h"
#include "tests/fixtures.h"

namespace ken::data::facts_test_file {
namespace {

fs::path write_file(const std::string& name, const std::string& text) {
  const fs::path path = test::scratch("facts") / name;
  write_text(path, text);
  return path;
}

FactSet read(const std::string& text) { return read_facts(write_file("facts.jsonl", text)); }

std::string error_of(const std::string& text) {
  try {
    read(text);
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

#define EXPECT_HAS(text, part) EXPECT_NE((text).find(part), std::string::npos) << (text)

TEST(FactsTest, PlainRecords) {
  const FactSet set = read(
      "{\"question\": \"q1 ?\", \"answer\": \"a\", \"answers\": [\"b\", \"a\"], \"subject\": \"S\", \"relation\": "
      "\"r\", \"exposure\": 7, "
      "\"statement\": \"S r a.\", \"note\": 5}\n"
      "\n"
      "{\"question\": \"q2 ?\", \"answers\": 1931, \"id\": 12, \"group\": \"g\"}\n");
  ASSERT_EQ(set.facts.size(), 2u);
  const Fact& first = set.facts[0];
  EXPECT_EQ(first.id, "line1");
  EXPECT_EQ(first.answers, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(first.exposure, 7);
  EXPECT_EQ(first.group, "S");
  EXPECT_EQ(first.extra, Json({{"note", 5}}));
  EXPECT_EQ(set.facts[1].id, "12");
  EXPECT_EQ(set.facts[1].answers, std::vector<std::string>{"1931"});
  EXPECT_EQ(set.facts[1].exposure, -1);
  EXPECT_EQ(set.facts[1].group, "g");
  EXPECT_EQ(set.name, "facts");
}

TEST(FactsTest, PopQaTsvAsItIs) {
  const FactSet set =
      read_facts(write_file("popqa.tsv",
                            "id\tsubj\tprop\tobj\ts_pop\to_pop\tquestion\tpossible_answers\n"
                            "42\tGeorge Rankin\toccupation\tpolitician\t142\t25692\tWhat is George Rankin's "
                            "occupation?\t\"[\"\"politician\"\", \"\"political leader\"\"]\"\n"));
  ASSERT_EQ(set.facts.size(), 1u);
  const Fact& fact = set.facts[0];
  EXPECT_EQ(fact.id, "42");
  EXPECT_EQ(fact.subject, "George Rankin");
  EXPECT_EQ(fact.relation, "occupation");
  EXPECT_EQ(fact.exposure, 142);
  EXPECT_EQ(fact.answers, (std::vector<std::string>{"politician", "political leader"}));
  EXPECT_EQ(fact.extra["o_pop"], "25692");
}

TEST(FactsTest, SwapRecordsGiveFactAndCases) {
  const FactSet set = read(
      "{\"question\": \"who ?\", \"org_context\": \"It was Ann.\", \"org_answer\": [\"Ann\"], \"sub_context\": \"It "
      "was Bob.\", "
      "\"sub_answer\": [\"Bob\"]}\n"
      "{\"question\": \"who ?\", \"org_answer\": \"Ann\", \"sub_context\": \"Bob did.\", \"sub_answer\": \"Bob\"}\n");
  ASSERT_EQ(set.facts.size(), 2u);
  EXPECT_EQ(set.facts[0].group, set.facts[1].group);  // one question never stands on both sides of a split
  ASSERT_EQ(set.contexts.size(), 3u);
  EXPECT_EQ(set.contexts[0].kind, "agree");
  EXPECT_EQ(set.contexts[0].context, "It was Ann.");
  const ContextCase& conflict = set.contexts[1];
  EXPECT_EQ(conflict.kind, "conflict");
  EXPECT_EQ(conflict.fact, set.facts[0].id);
  EXPECT_EQ(conflict.context_answers, std::vector<std::string>{"Bob"});
  EXPECT_EQ(conflict.answers, std::vector<std::string>{"Ann"});
}

TEST(FactsTest, WrittenSetsReadBackEqual) {
  FactSet set;
  set.facts.push_back({"f",
                       "S",
                       "r",
                       "q ?",
                       {"a", "b"},
                       3,
                       "g",
                       "S is a .",
                       {{"paraphrase", "p ?", {"a"}}, {"other", "o ?", {"b"}, "O: o"}},
                       {{"seen", true}}});
  set.claims.push_back({"k", "f", "S is y .", false, 5, "g", {{"held_out", true}}});
  set.contexts.push_back(
      {"c", "f", "conflict", "S is x .", "use it", "context", "q2 ?", {"x"}, {"a"}, "S", 4, "h", {{"distractors", 2}}});
  // The case stands before its fact.
  const FactSet back = read(to_json(set.contexts[0]).dump() + "\n" + to_json(set.claims[0]).dump() + "\n" +
                            to_json(set.facts[0]).dump() + "\n");
  ASSERT_EQ(back.facts.size(), 1u);
  ASSERT_EQ(back.contexts.size(), 1u);
  ASSERT_EQ(back.claims.size(), 1u);
  EXPECT_EQ(to_json(back.claims[0]), to_json(set.claims[0]));
  EXPECT_EQ(to_json(back.facts[0]), to_json(set.facts[0]));
  EXPECT_EQ(to_json(back.contexts[0]), to_json(set.contexts[0]));
}

TEST(FactsTest, CasesInheritFromTheirFact) {
  const FactSet set = read(
      "{\"id\": \"f\", \"question\": \"q ?\", \"answer\": \"a\", \"subject\": \"S\", \"exposure\": 9}\n"
      "{\"fact\": \"f\", \"kind\": \"irrelevant\", \"context\": \"Rain fell.\"}\n");
  ASSERT_EQ(set.contexts.size(), 1u);
  EXPECT_EQ(set.contexts[0].question, "q ?");
  EXPECT_EQ(set.contexts[0].answers, std::vector<std::string>{"a"});
  EXPECT_EQ(set.contexts[0].exposure, 9);
  EXPECT_EQ(set.contexts[0].intent, "none");
}

TEST(FactsTest, ErrorsNameFileAndLine) {
  const std::string good = "{\"id\": \"f\", \"question\": \"q ?\", \"answer\": \"a\"}\n";
  EXPECT_HAS(error_of(good + "{\"answer\": \"a\"}\n"), "facts.jsonl:2] no question");
  EXPECT_HAS(error_of(good + "{\"question\": \"q ?\"}\n"), "facts.jsonl:2] no answer");
  EXPECT_HAS(error_of(good + "{\"question\": \"q ?\", \"answers\": []}\n"), "facts.jsonl:2] no answer");
  EXPECT_HAS(error_of(good + "\n" + good), "facts.jsonl:3] id 'f' was already used in line 1");
  EXPECT_HAS(error_of(good + "{\"question\": \"q ?\", \"answers\": [{}]}\n"),
             "facts.jsonl:2] 'answers' must hold texts");
  EXPECT_HAS(error_of(good + "{\"question\": \"q ?\", \"possible_answers\": \"['a']\"}\n"),
             "facts.jsonl:2] 'possible_answers' begins with '['");
  EXPECT_HAS(error_of(good + "{\"question\": {}, \"answer\": \"a\"}\n"), "facts.jsonl:2] 'question' must be text");
  EXPECT_HAS(error_of(good + "{\"question\": \"q ?\", \"answer\": \"a\", \"exposure\": \"many\"}\n"),
             "facts.jsonl:2] 'exposure' must be a whole number");
  EXPECT_HAS(error_of(good + "{\"question\": \"q ?\", \"org_answer\": \"a\", \"sub_answer\": \"b\"}\n"),
             "facts.jsonl:2] a record with 'org_answer'");
  const std::string begin = good + "{\"context\": \"c\", \"fact\": ";
  EXPECT_HAS(error_of(begin + "\"g\", \"kind\": \"agree\"}\n"), "facts.jsonl:2] unknown fact 'g'");
  EXPECT_HAS(error_of(begin + "\"\", \"kind\": \"agree\"}\n"), "facts.jsonl:2] a record with 'kind'");
  EXPECT_HAS(error_of(begin + "\"f\", \"kind\": \"agre\"}\n"), "did you mean agree");
  EXPECT_HAS(error_of(begin + "\"f\", \"kind\": \"agree\", \"intent\": \"x\"}\n"), "unknown intent 'x'");
  EXPECT_HAS(error_of(begin + "\"f\", \"kind\": \"conflict\"}\n"), "needs 'context_answers'");
}

TEST(FactsTest, AnUnknownShapeIsRefusedWithWhatIsKnown) {
  const std::string error = error_of("{\"prompt\": \"p\", \"completion\": \"c\"}\n");
  EXPECT_HAS(error, "found the fields prompt, completion");
  for (const auto& shape : fact_shapes()) EXPECT_HAS(error, shape.name);
}

TEST(FactsTest, APassageBesideAQuestionAgreesOrIsIrrelevant) {
  const FactSet set = read(
      "{\"question\": \"q1 ?\", \"answer\": \"Rome\", \"context\": \"It was in Rome.\"}\n"
      "{\"question\": \"q2 ?\", \"answer\": \"Rome\", \"context\": \"It rained.\"}\n");
  ASSERT_EQ(set.contexts.size(), 2u);
  EXPECT_EQ(set.contexts[0].kind, "agree");
  EXPECT_EQ(set.contexts[0].context_answers, std::vector<std::string>{"Rome"});
  EXPECT_EQ(set.contexts[1].kind, "irrelevant");
  EXPECT_EQ(set.contexts[1].fact, set.facts[1].id);
}

TEST(FactsTest, ABeginningStandsForAQuestion) {
  const FactSet set = read(
      "{\"beginning\": \"The capital of France is\", \"answer\": \"Paris\", \"variants\": [{\"kind\": \"p\", "
      "\"beginning\": \"France's capital is\"}]}\n");
  EXPECT_EQ(set.facts[0].question, "The capital of France is");
  EXPECT_EQ(set.facts[0].beginning, set.facts[0].question);
  EXPECT_EQ(set.facts[0].variants[0].beginning, "France's capital is");
}

TEST(FactsTest, PopularityIsToldFromCounts) {
  EXPECT_TRUE(read("{\"question\": \"q\", \"answer\": \"a\", \"s_pop\": 120}\n").popularity);
  EXPECT_FALSE(read("{\"question\": \"q\", \"answer\": \"a\", \"exposure\": 120}\n").popularity);
}

TEST(FactsTest, DrawnFactsKeepTheirCasesAndTheirOrder) {
  std::string text;
  for (int i = 0; i < 40; ++i)
    text += "{\"id\": " + std::to_string(i) + ", \"question\": \"q ?\", \"answer\": \"a\", \"context\": \"a .\"}\n";
  const FactSet drawn = draw_facts(read(text), 10, 1), again = draw_facts(read(text), 10, 1),
                other = draw_facts(read(text), 10, 2);
  ASSERT_EQ(drawn.facts.size(), 10u);
  ASSERT_EQ(drawn.contexts.size(), 10u);
  bool differs = false;
  for (size_t i = 0; i < 10; ++i) {
    EXPECT_EQ(drawn.contexts[i].fact, drawn.facts[i].id);
    EXPECT_EQ(drawn.facts[i].id, again.facts[i].id);
    differs = differs || drawn.facts[i].id != other.facts[i].id;
    if (i > 0) EXPECT_LT(std::stoi(drawn.facts[i - 1].id), std::stoi(drawn.facts[i].id));
  }
  EXPECT_TRUE(differs);
  EXPECT_EQ(draw_facts(read(text), 99, 1).facts.size(), 40u);
}

TEST(FactsTest, AFileWithoutFactsIsAnError) {
  EXPECT_THROW(read(""), Error);
  EXPECT_THROW(read("\n\n"), Error);
}

}  // namespace
}  // namespace ken::data::facts_test_file
