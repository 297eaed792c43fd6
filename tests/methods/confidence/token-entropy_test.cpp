#include <gtest/gtest.h>

#include "ken/evidence/evidence.h"

namespace ken::evidence::token_entropy_test_file {
namespace {

TEST(TokenEntropyTest, joins_the_answers_tokens_by_mean_or_maximum) {
  Evidence e;
  e.greedy.tokens = {1, 2, 3};
  e.greedy.entropies = {1.0, 3.0, 9.0};
  e.greedy.logprobs = {-1, -1, -1};
  e.greedy.answer_tokens = 2;
  EXPECT_EQ(estimator_from("token-entropy").score(e), 2.0);
  EXPECT_EQ(estimator_from("token-entropy:over=max").score(e), 3.0);
  EXPECT_EQ(estimator_from("token-entropy").surer(e), -2.0);
  EXPECT_THROW(estimator_from("token-entropy:over=sum"), UsageError);
}

}  // namespace
}  // namespace ken::evidence::token_entropy_test_file
