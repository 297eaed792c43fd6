#include "tests/methods/confidence/reference.h"

namespace ken::evidence::margin_test_file {
namespace {

TEST(MarginTest, agrees_with_the_reference) { test::expect_reference("margin"); }

TEST(MarginTest, an_empty_answer_has_the_margin_of_its_end) {
  Evidence e;
  e.greedy.margins = {0.3};
  e.greedy.logprobs = {-1};
  EXPECT_EQ(estimator_from("margin").score(e), 0.3);
}

}  // namespace
}  // namespace ken::evidence::margin_test_file
