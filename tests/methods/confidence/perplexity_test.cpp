#include "tests/methods/confidence/reference.h"

namespace ken::evidence::perplexity_test_file {
namespace {

TEST(PerplexityTest, agrees_with_the_reference) { test::expect_reference("perplexity"); }

TEST(PerplexityTest, is_one_for_certainty_and_for_no_token) {
  Evidence e;
  EXPECT_EQ(estimator_from("perplexity").score(e), 1);
  e.greedy.logprobs = {0, std::log(0.25)};
  e.greedy.answer_tokens = 2;
  EXPECT_NEAR(estimator_from("perplexity").score(e), 2, 1e-12);
}

}  // namespace
}  // namespace ken::evidence::perplexity_test_file
