#include <gtest/gtest.h>

#include "ken/evidence/evidence.h"

namespace ken::evidence::sequence_probability_test_file {
namespace {

TEST(SequenceProbabilityTest, multiplies_the_answers_tokens_and_not_what_follows) {
  Evidence e;
  e.greedy.tokens = {1, 2, 3};
  e.greedy.logprobs = {std::log(0.5), std::log(0.4), std::log(0.001)};
  e.greedy.answer_tokens = 2;
  EXPECT_NEAR(estimator_from("sequence-probability").score(e), 0.2, 1e-12);
  EXPECT_NEAR(estimator_from("sequence-probability:normalize=true").score(e), std::sqrt(0.2), 1e-12);
}

}  // namespace
}  // namespace ken::evidence::sequence_probability_test_file
