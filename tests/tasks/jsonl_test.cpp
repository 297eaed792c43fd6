#include "tests/tasks/reading.h"

namespace ken::tasks::jsonl_test_file {
namespace {

TEST(JsonlTaskTest, open_questions_keep_every_accepted_answer) {
  const Items items = read_text_as("jsonl",
                                   "{\"id\":\"x\",\"question\":\"who ?\",\"answers\":[\"Ada\",\"Ada "
                                   "L.\"]}\n{\"question\":\"how many ?\",\"answer\":3}\n");
  ASSERT_EQ(items.items.size(), 2u);
  EXPECT_EQ(items.items[0].id, "x");
  EXPECT_EQ(items.items[0].prompt, "Q: who ?\nA:");
  EXPECT_EQ(items.items[0].answers, (std::vector<std::string>{"Ada", "Ada L."}));
  EXPECT_EQ(items.items[1].id, "line2");
  EXPECT_EQ(items.items[1].answers, std::vector<std::string>{"3"});
  EXPECT_EQ(items.stop, std::vector<std::string>{"\n"});
}

TEST(JsonlTaskTest, a_context_stands_before_the_question_and_its_twin_has_none) {
  const auto item =
      read_text_as("jsonl", "{\"question\":\"who ?\",\"answer\":\"Ada\",\"context\":\"It was Bob.\"}").items[0];
  EXPECT_EQ(item.prompt, "It was Bob.\n\nQ: who ?\nA:");
  EXPECT_EQ(item.without_context, "Q: who ?\nA:");
}

TEST(JsonlTaskTest, the_answer_of_a_choice_is_a_text_a_letter_or_an_index) {
  const auto gold = [](const std::string& answer, const std::string& choices = "[\"x\",\"y\",\"2\"]") {
    return read_text_as("jsonl", "{\"question\":\"q\",\"choices\":" + choices + ",\"answer\":" + answer + "}")
        .items[0]
        .gold.at(0);
  };
  EXPECT_EQ(gold("1"), 1u);
  EXPECT_EQ(gold("\"B\""), 1u);
  EXPECT_EQ(gold("\"c\""), 2u);
  EXPECT_EQ(gold("\"y\""), 1u);
  EXPECT_EQ(gold("\"0\""), 0u);
  EXPECT_EQ(gold("\"2\""), 2u);                               // a text before an index
  EXPECT_EQ(gold("\"A\"", "[\"B\",\"A\"]"), 1u);              // a text before a letter
  EXPECT_EQ(gold("0", "\"[\\\"no\\\", \\\"yes\\\"]\""), 0u);  // a list as text, as tables hold it
}

TEST(JsonlTaskTest, hostile_choices_are_refused_with_their_line) {
  const std::string head = "{\"question\":\"q\",\"choices\":";
  expect_refused("jsonl", head + "[\"x\",\"y\"],\"answer\":2}", "the answer 2 is no index of 2 options");
  expect_refused("jsonl", head + "[\"x\",\"y\"],\"answer\":-1}", "no index");
  expect_refused("jsonl", head + "[\"x\",\"y\"],\"answer\":\"Q\"}", "is none of the 2 options");
  expect_refused("jsonl", head + "[\"x\",\"y\"],\"answer\":\"99999999999999999999999\"}", "is none of");
  expect_refused("jsonl", head + "[\"x\"],\"answer\":0}", "one option only");
  expect_refused("jsonl", head + "{},\"answer\":0}", "file.jsonl:1");
  expect_refused("jsonl", head + "[\"x\",\"y\"],\"answer\":0}\n{\"question\":\"q\",\"answer\":\"a\"}",
                 "file.jsonl:2] this record has no options");
  expect_refused("jsonl", "[1, 2]", "JSON object");
}

}  // namespace
}  // namespace ken::tasks::jsonl_test_file
