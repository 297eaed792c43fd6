#include "tests/methods/confidence/reference.h"

namespace ken::evidence::pointwise_mi_test_file {
namespace {

TEST(PointwiseMiTest, agrees_with_the_reference) { test::expect_reference("pointwise-mi"); }

TEST(PointwiseMiTest, needs_the_reading_without_the_prompt) {
  Evidence e = test::reference_evidence(0);
  e.readings.clear();
  EXPECT_THROW(estimator_from("pointwise-mi").score(e), Error);
}

}  // namespace
}  // namespace ken::evidence::pointwise_mi_test_file
