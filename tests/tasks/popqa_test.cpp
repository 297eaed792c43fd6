#include "tests/tasks/reading.h"

namespace ken::tasks::popqa_test_file {
namespace {

const std::string table =
    "id\tsubj\tprop\tquestion\tpossible_answers\ts_pop\n"
    "7\tIno Vale\toccupation\tWhat is Ino Vale's occupation?\t\"[\"\"baker\"\", \"\"pastry cook\"\"]\"\t120\n"
    "8\tUma Rill\toccupation\tWhat is Uma Rill's occupation?\t\"[\"\"pilot\"\"]\"\t9000\n";

TEST(PopqaTest, the_table_is_read_as_it_is) {
  const Items items = read_text_as("popqa", table);
  ASSERT_EQ(items.items.size(), 2u);
  EXPECT_EQ(items.items[0].id, "7");
  EXPECT_EQ(items.items[0].prompt, "Q: What is Ino Vale's occupation?\nA:");
  EXPECT_EQ(items.items[0].answers, (std::vector<std::string>{"baker", "pastry cook"}));
  EXPECT_EQ(items.items[1].doc["exposure"], 9000);
  EXPECT_TRUE(items.items[0].options.empty());
}

TEST(PopqaTest, popular_subjects_may_be_left_out) {
  const Items items = read_text_as("popqa", table, {{"max_popularity", 1000.0}});
  ASSERT_EQ(items.items.size(), 1u);
  EXPECT_EQ(items.items[0].id, "7");
}

TEST(PopqaTest, a_row_without_an_answer_names_its_line) {
  expect_refused("popqa", "id\tquestion\tpossible_answers\n1\twho?\t[]\n", "file.jsonl:2");
}

}  // namespace
}  // namespace ken::tasks::popqa_test_file
