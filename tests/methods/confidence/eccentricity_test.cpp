#include "tests/methods/confidence/reference.h"

namespace ken::evidence::eccentricity_test_file {
namespace {

TEST(EccentricityTest, agrees_with_the_reference) { test::expect_reference("eccentricity"); }

TEST(EccentricityTest, equal_samples_have_one_centre) {
  Evidence e;
  for (int i = 0; i < 4; ++i) e.samples.emplace_back().text = "Turin";
  EXPECT_NEAR(estimator_from("eccentricity:samples=4").score(e), 0, 1e-9);
}

}  // namespace
}  // namespace ken::evidence::eccentricity_test_file
