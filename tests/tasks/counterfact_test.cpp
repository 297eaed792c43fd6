#include "tests/tasks/reading.h"

namespace ken::tasks::counterfact_test_file {
namespace {

const std::string record =
    "[{\"case_id\": 4, \"requested_rewrite\": {\"prompt\": \"{} was born in\", \"subject\": \"Ino Vale\", "
    "\"target_true\": {\"str\": \"Rome\"}, \"target_new\": {\"str\": \"Porto\"}}, \"neighborhood_prompts\": [\"x\"]}]";

TEST(CounterfactTest, the_prompt_gets_its_subject_and_the_true_object_stands_first) {
  const auto item = read_text_as("counterfact", record).items.at(0);
  EXPECT_EQ(item.id, "4");
  EXPECT_EQ(item.prompt, "Ino Vale was born in");
  EXPECT_EQ(item.options, (std::vector<std::string>{"Rome", "Porto"}));
  EXPECT_FALSE(item.doc.contains("neighborhood_prompts"));
}

TEST(CounterfactTest, whole_texts_and_means_of_a_token_are_compared) {
  const auto item = read_text_as("counterfact", record).items.at(0);
  // -6 over three tokens against -5 over one: less likely as a text, likelier by the token.
  EXPECT_EQ(scored("counterfact", item, {-6, -5}, {3, 1}),
            (Json{{"acc", 0.0}, {"acc_token", 1.0}, {"greedy", 0.0}, {"difference", -1.0}}));
}

TEST(CounterfactTest, records_of_another_form_are_refused) {
  expect_refused("counterfact", "{\"question\": \"a\"}", "no 'requested_rewrite'; found the fields question");
  expect_refused("counterfact", "{\"requested_rewrite\": 5}", "must be an object, found number");
  expect_refused("counterfact", "{\"requested_rewrite\": {\"prompt\": \"no slot\", \"subject\": \"a\"}}", "has no {}");
  expect_refused("counterfact",
                 "{\"requested_rewrite\": {\"prompt\": \"{} is\", \"subject\": \"a\", \"target_true\": {}}}",
                 "no 'str'");
}

}  // namespace
}  // namespace ken::tasks::counterfact_test_file
