#include "tests/methods/confidence/reference.h"

namespace ken::evidence::lexical_similarity_test_file {
namespace {

TEST(LexicalSimilarityTest, agrees_with_the_reference) { test::expect_reference("lexical-similarity"); }

TEST(LexicalSimilarityTest, equal_samples_overlap_wholly) {
  Evidence e;
  for (int i = 0; i < 4; ++i) e.samples.emplace_back().text = "the lake of Turin";
  EXPECT_EQ(estimator_from("lexical-similarity:samples=4").score(e), 1);
}

}  // namespace
}  // namespace ken::evidence::lexical_similarity_test_file
