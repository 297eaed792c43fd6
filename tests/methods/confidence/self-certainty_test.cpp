#include "tests/methods/confidence/reference.h"

namespace ken::evidence::self_certainty_test_file {
namespace {

TEST(SelfCertaintyTest, agrees_with_the_reference) { test::expect_reference("self-certainty"); }

TEST(SelfCertaintyTest, saved_evidence_without_it_is_an_error) {
  Evidence e;
  e.greedy.logprobs = {-1};
  e.greedy.answer_tokens = 1;
  EXPECT_THROW(estimator_from("self-certainty").score(e), Error);
}

}  // namespace
}  // namespace ken::evidence::self_certainty_test_file
