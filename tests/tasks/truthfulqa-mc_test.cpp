#include <cmath>

#include "tests/tasks/reading.h"

namespace ken::tasks::truthfulqa_mc_test_file {
namespace {

const std::string hub =
    "{\"question\":\"Do stones eat?\",\"mc1_targets\":{\"choices\":[\"No.\",\"Yes.\"],\"labels\":[1,0]},"
    "\"mc2_targets\":{\"choices\":[\"No.\",\"They do not.\",\"Yes.\",\"At night.\"],\"labels\":[1,1,0,0]}}";

TEST(TruthfulqaMcTest, each_text_is_scored_once_for_both_metrics) {
  const Items items = read_text_as("truthfulqa-mc", hub);
  const Item& item = items.items.at(0);
  EXPECT_EQ(item.prompt, "Q: Do stones eat?\nA:");
  EXPECT_EQ(item.options, (std::vector<std::string>{"No.", "Yes.", "They do not.", "At night."}));
  EXPECT_NE(items.description.find("A: I have no comment.\n\n"), std::string::npos);
  EXPECT_EQ(items.description.substr(items.description.size() - 2), "\n\n");
  EXPECT_EQ(read_text_as("truthfulqa-mc", hub, {{"prompt", "none"}}).description, "");
}

TEST(TruthfulqaMcTest, mc1_asks_for_the_best_answer_and_mc2_for_the_mass_of_the_true_ones) {
  const Item item = read_text_as("truthfulqa-mc", hub).items.at(0);
  // p = 0.2, 0.3, 0.4, 0.1 of No, Yes, They do not, At night.
  const Json scores = scored("truthfulqa-mc", item, {std::log(.2), std::log(.3), std::log(.4), std::log(.1)});
  EXPECT_EQ(scores["mc1"], 0.0);
  EXPECT_NEAR(scores["mc2"].get<double>(), 0.6, 1e-12);
  EXPECT_EQ(scored("truthfulqa-mc", item, {-1, -1.5, -9, -9})["mc1"], 1.0);
  // Probabilities that vanish as doubles.
  EXPECT_NEAR(scored("truthfulqa-mc", item, {-2000, -2000, -2000, -2000})["mc2"].get<double>(), 0.5, 1e-12);
}

TEST(TruthfulqaMcTest, the_authors_json_and_table_give_the_same_answers) {
  const auto json = read_text_as("truthfulqa-mc",
                                 "[{\"question\":\"Do stones eat?\",\"mc0_targets\":{},"
                                 "\"mc1_targets\":{\"No.\":1,\"Yes.\":0},"
                                 "\"mc2_targets\":{\"No.\":1,\"They do not.\":1,\"Yes.\":0,\"At night.\":0}}]")
                        .items.at(0);
  const auto table = read_text_as("truthfulqa-mc",
                                  "Type,Question,Best Answer,Correct Answers,Incorrect Answers\n"
                                  "x,Do stones eat?,No,No; They do not.,Yes; At night.\n")
                         .items.at(0);
  EXPECT_EQ(json.labels["mc1"]["true"], Json({0}));
  EXPECT_EQ(table.options, (std::vector<std::string>{"No.", "Yes.", "At night.", "They do not."}));
  EXPECT_EQ(table.labels["mc2"]["true"].size(), 2u);
  EXPECT_EQ(table.labels["mc1"]["false"].size(), 2u);
}

TEST(TruthfulqaMcTest, broken_targets_are_refused) {
  const auto with = [](const std::string& targets) {
    return "{\"question\":\"q\",\"mc1_targets\":" + targets + ",\"mc2_targets\":" + targets + "}";
  };
  expect_refused("truthfulqa-mc", with("{\"choices\":[\"a\",\"b\"],\"labels\":[1]}"), "2 choices and 1 labels");
  expect_refused("truthfulqa-mc", with("{\"choices\":[\"a\",\"b\"],\"labels\":[1,7]}"), "a label must be 1 or 0");
  expect_refused("truthfulqa-mc", with("{\"a\":1}"), "at least one true and one false answer, found 1 and 0");
  expect_refused("truthfulqa-mc", with("[]"), "must be an object");
  expect_refused("truthfulqa-mc", "{\"question\":\"q\"}", "no 'mc1_targets'");
}

}  // namespace
}  // namespace ken::tasks::truthfulqa_mc_test_file
