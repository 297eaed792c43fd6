#include "tests/methods/confidence/reference.h"

namespace ken::evidence::span_snr_test_file {
namespace {

TEST(SpanSnrTest, agrees_with_the_reference) { test::expect_reference("span-snr"); }

TEST(SpanSnrTest, what_comes_before_the_text_settles_is_left_out) {
  Evidence e;
  for (const double p : {0.9, 0.1, 0.9, 0.1, 0.8, 0.8, 0.8, 0.8}) e.greedy.logprobs.push_back(std::log(p));
  e.greedy.answer_tokens = 8;
  EXPECT_NEAR(estimator_from("span-snr:window=3,sigma=1000").score(e), 0.8, 1e-9);
  EXPECT_NEAR(estimator_from("span-snr:window=9").score(e), 0.65, 1e-9);
}

}  // namespace
}  // namespace ken::evidence::span_snr_test_file
