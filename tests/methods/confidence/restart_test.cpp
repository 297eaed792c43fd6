#include "tests/methods/confidence/reference.h"

namespace ken::evidence::restart_test_file {
namespace {

TEST(RestartTest, agrees_with_the_reference) { test::expect_reference("restart"); }

TEST(RestartTest, is_a_question_of_its_own) {
  Evidence e = test::reference_evidence(0);
  e.replies.clear();
  EXPECT_THROW(estimator_from("restart").score(e), Error);
}

}  // namespace
}  // namespace ken::evidence::restart_test_file
