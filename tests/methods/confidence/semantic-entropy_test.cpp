#include <gtest/gtest.h>

#include "ken/evidence/evidence.h"

namespace ken::evidence::semantic_entropy_test_file {
namespace {

Evidence sampled(const std::vector<std::pair<std::string, double>>& answers) {
  Evidence e;
  for (const auto& [text, logprob] : answers) {
    generate::Generated g;
    g.text = text;
    g.tokens = {1};
    g.logprobs = {logprob};
    g.answer_tokens = 1;
    e.samples.push_back(g);
  }
  return e;
}

TEST(SemanticEntropyTest, is_zero_when_all_samples_mean_the_same) {
  const auto spec = estimator_from("semantic-entropy:samples=3");
  EXPECT_EQ(spec.score(sampled({{"Paris", -1}, {"paris.", -2}, {"the Paris", -3}})), 0.0);
}

TEST(SemanticEntropyTest, counts_shares_or_normalised_likelihoods) {
  const auto evidence =
      sampled({{"Paris", std::log(0.6)}, {"Rome", std::log(0.2)}, {"paris", std::log(0.2)}, {"Oslo", std::log(0.2)}});
  EXPECT_NEAR(estimator_from("semantic-entropy:samples=4").score(evidence),
              -(0.5 * std::log(0.5) + 2 * 0.25 * std::log(0.25)), 1e-12);
  const double p = 0.8 / 1.2, q = 0.2 / 1.2;
  EXPECT_NEAR(estimator_from("semantic-entropy:samples=4,kind=likelihood").score(evidence),
              -(p * std::log(p) + 2 * q * std::log(q)), 1e-12);
}

TEST(SemanticEntropyTest, reads_as_many_samples_as_declared_and_no_fewer) {
  EXPECT_THROW(estimator_from("semantic-entropy").score(sampled({{"Paris", -1}})), Error);
  EXPECT_EQ(estimator_from("semantic-entropy:samples=2").score(sampled({{"a b", -1}, {"a b", -1}, {"c d", -1}})), 0.0);
  EXPECT_THROW(estimator_from("semantic-entropy:samples=1"), UsageError);
  EXPECT_THROW(estimator_from("semantic-entropy:kind=other"), UsageError);
}

}  // namespace
}  // namespace ken::evidence::semantic_entropy_test_file
