#include "tests/methods/confidence/reference.h"

namespace ken::evidence::eigval_laplacian_test_file {
namespace {

TEST(EigvalLaplacianTest, agrees_with_the_reference) { test::expect_reference("eigval-laplacian"); }

TEST(EigvalLaplacianTest, counts_meanings_that_share_nothing) {
  Evidence e;
  for (const char* text : {"turin", "Turin", "Rome", "Oslo"}) e.samples.emplace_back().text = text;
  EXPECT_NEAR(estimator_from("eigval-laplacian:samples=4").score(e), 3, 1e-9);
}

}  // namespace
}  // namespace ken::evidence::eigval_laplacian_test_file
