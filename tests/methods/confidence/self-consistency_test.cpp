#include "tests/methods/confidence/reference.h"

namespace ken::evidence::self_consistency_test_file {
namespace {

TEST(SelfConsistencyTest, agrees_with_the_reference) { test::expect_reference("self-consistency"); }

TEST(SelfConsistencyTest, counts_samples_that_mean_the_same_as_the_greedy_answer) {
  Evidence e;
  e.greedy.text = "Turin";
  for (const char* text : {"turin", "Turin", "Rome", "the Turin"}) e.samples.emplace_back().text = text;
  EXPECT_EQ(estimator_from("self-consistency:samples=4").score(e), 0.75);
}

}  // namespace
}  // namespace ken::evidence::self_consistency_test_file
