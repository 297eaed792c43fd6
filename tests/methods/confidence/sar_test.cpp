#include "tests/methods/confidence/reference.h"

namespace ken::evidence::sar_test_file {
namespace {

TEST(SarTest, agrees_with_the_reference) { test::expect_reference("sar"); }

TEST(SarTest, answers_that_are_hardly_likely_do_not_underflow) {
  Evidence e = test::reference_evidence(0);
  for (auto& sample : e.samples)
    for (double& logprob : sample.logprobs) logprob -= 2000;
  EXPECT_TRUE(std::isfinite(estimator_from("sar:kind=sentence").score(e)));
}

}  // namespace
}  // namespace ken::evidence::sar_test_file
