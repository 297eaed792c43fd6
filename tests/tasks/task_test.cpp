// The standard metrics, on numbers worked out by hand.
#include "ken/tasks/task.h"

#include <gtest/gtest.h>

#include "tests/tasks/reading.h"

namespace ken::tasks::task_test_file {
namespace {

TEST(TaskTest, acc_norm_divides_by_characters_and_acc_bytes_by_bytes) {
  // Log-likelihoods -4, -6, -7.5: by text the first, by character (2, 4, 4) the second, by byte (2, 4, 8) the third.
  const Item item{.options = {"ab", "abcd", "éééé"}, .gold = {2}};
  const Json scores = scored("jsonl", item, {-4, -6, -7.5});
  EXPECT_EQ(scores, (Json{{"acc", 0.0}, {"acc_norm", 0.0}, {"acc_bytes", 1.0}}));
  Item second = item, first = item;
  second.gold = {1};
  first.gold = {0};
  EXPECT_EQ(scored("jsonl", second, {-4, -6, -7.5})["acc_norm"], 1.0);
  EXPECT_EQ(scored("jsonl", first, {-4, -6, -7.5})["acc"], 1.0);
}

TEST(TaskTest, of_equal_options_the_first_is_chosen) {
  const Item item{.options = {"a", "b"}, .gold = {1}};
  EXPECT_EQ(scored("jsonl", item, {-1, -1})["acc"], 0.0);
}

TEST(TaskTest, open_answers_are_compared_with_every_alias) {
  const Item item{.answers = {"New York City", "NYC"}};
  EXPECT_EQ(score_answer(item, "the nyc."), (Json{{"exact_match", 1.0}, {"contains", 1.0}}));
  EXPECT_EQ(score_answer(item, "in New York City, of course"), (Json{{"exact_match", 0.0}, {"contains", 1.0}}));
  EXPECT_EQ(score_answer(item, "Boston"), (Json{{"exact_match", 0.0}, {"contains", 0.0}}));
}

TEST(TaskTest, a_broken_field_names_file_line_and_the_form) {
  expect_refused("jsonl", "\n{\"question\": \"a ?\"}",
                 "file.jsonl:2] no 'answer'; found the fields question; a record is");
  expect_refused("jsonl", "{\"question\": [1], \"answer\": \"b\"}", "'question' must be text, found array");
  expect_refused("jsonl", "{\"question\": \"a\", \"answer\": [{}]}", "must hold texts, found object");
  expect_refused("jsonl", "{\"question\": \"a\", \"answers\": \"[1\"}", "no JSON list");
}

}  // namespace
}  // namespace ken::tasks::task_test_file
