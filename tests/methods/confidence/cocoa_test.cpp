#include "tests/methods/confidence/reference.h"

namespace ken::evidence::cocoa_test_file {
namespace {

TEST(CocoaTest, agrees_with_the_reference) { test::expect_reference("cocoa"); }

TEST(CocoaTest, samples_that_all_agree_leave_no_doubt) {
  Evidence e = test::reference_evidence(0);
  for (auto& sample : e.samples) sample.text = e.greedy.text;
  EXPECT_EQ(estimator_from("cocoa").score(e), 0);
}

}  // namespace
}  // namespace ken::evidence::cocoa_test_file
