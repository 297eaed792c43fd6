#include "tests/methods/confidence/reference.h"

namespace ken::evidence::deg_mat_test_file {
namespace {

TEST(DegMatTest, agrees_with_the_reference) { test::expect_reference("deg-mat"); }

TEST(DegMatTest, equal_samples_are_not_apart) {
  Evidence e;
  for (int i = 0; i < 4; ++i) e.samples.emplace_back().text = "Turin";
  EXPECT_EQ(estimator_from("deg-mat:samples=4").score(e), 0);
}

}  // namespace
}  // namespace ken::evidence::deg_mat_test_file
