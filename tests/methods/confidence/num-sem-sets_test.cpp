#include "tests/methods/confidence/reference.h"

namespace ken::evidence::num_sem_sets_test_file {
namespace {

TEST(NumSemSetsTest, agrees_with_the_reference) { test::expect_reference("num-sem-sets"); }

TEST(NumSemSetsTest, counts_meanings) {
  Evidence e;
  for (const char* text : {"turin", "Turin", "Rome", "Oslo"}) e.samples.emplace_back().text = text;
  EXPECT_EQ(estimator_from("num-sem-sets:samples=4").score(e), 3);
}

}  // namespace
}  // namespace ken::evidence::num_sem_sets_test_file
