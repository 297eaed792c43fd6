#include "tests/methods/confidence/reference.h"

namespace ken::evidence::context_gain_test_file {
namespace {

TEST(ContextGainTest, agrees_with_the_reference) { test::expect_reference("context-gain"); }

TEST(ContextGainTest, an_answer_without_a_passage_is_an_error_that_says_so) {
  Evidence e = test::reference_evidence(0);
  e.readings.erase(without_context);
  try {
    estimator_from("context-gain").score(e);
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("ask beside a passage"), std::string::npos);
  }
}

}  // namespace
}  // namespace ken::evidence::context_gain_test_file
