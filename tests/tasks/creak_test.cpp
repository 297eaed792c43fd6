#include "tests/tasks/reading.h"

namespace ken::tasks::creak_test_file {
namespace {

TEST(CreakTest, a_claim_is_true_or_false) {
  const Items items = read_text_as("creak",
                                   "{\"ex_id\":\"t1\",\"sentence\":\"Bees fly.\",\"label\":\"true\"}\n"
                                   "{\"sentence\":\"Stones fly.\",\"label\":\"false\"}\n");
  ASSERT_EQ(items.items.size(), 2u);
  EXPECT_EQ(items.items[0].id, "t1");
  EXPECT_EQ(items.items[0].prompt, "Claim: Bees fly.\nIs the claim true or false?\nAnswer:");
  EXPECT_EQ(items.items[0].options, (std::vector<std::string>{"True", "False"}));
  EXPECT_EQ(scored("creak", items.items[0], {-1, -2}), (Json{{"acc", 1.0}, {"says_true", 1.0}}));
  EXPECT_EQ(scored("creak", items.items[1], {-1, -2}), (Json{{"acc", 0.0}, {"says_true", 1.0}}));
}

TEST(CreakTest, prompt_and_verdicts_are_parameters) {
  const auto item = read_text_as("creak", "{\"sentence\":\"Bees fly.\",\"label\":true}",
                                 {{"prompt", "{claim} Right?"}, {"words", "yes/no"}})
                        .items[0];
  EXPECT_EQ(item.prompt, "Bees fly. Right?");
  EXPECT_EQ(item.options, (std::vector<std::string>{"yes", "no"}));
  EXPECT_THROW(read_text_as("creak", "{\"sentence\":\"a\",\"label\":true}", {{"prompt", "no slot"}}), UsageError);
}

TEST(CreakTest, a_set_without_labels_is_refused) {
  expect_refused("creak", "{\"sentence\":\"Bees fly.\"}", "file.jsonl:1] 'label' must be true or false, found null");
  expect_refused("creak", "{\"sentence\":\"Bees fly.\",\"label\":\"maybe\"}", "found \"maybe\"");
  expect_refused("creak", "{\"label\":\"true\"}", "no 'sentence'");
}

}  // namespace
}  // namespace ken::tasks::creak_test_file
