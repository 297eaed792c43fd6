#include "tests/methods/confidence/reference.h"

namespace ken::evidence::monte_carlo_entropy_test_file {
namespace {

TEST(MonteCarloEntropyTest, agrees_with_the_reference) { test::expect_reference("monte-carlo-entropy"); }

TEST(MonteCarloEntropyTest, fewer_samples_than_asked_for_are_an_error) {
  Evidence e = test::reference_evidence(0);
  EXPECT_THROW(estimator_from("monte-carlo-entropy:samples=11").score(e), Error);
}

}  // namespace
}  // namespace ken::evidence::monte_carlo_entropy_test_file
