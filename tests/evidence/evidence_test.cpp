#include "ken/evidence/evidence.h"

#include <gtest/gtest.h>

#include "tests/tiny.h"

namespace ken::evidence {
namespace {

TEST(EvidenceTest, needs_unite_and_two_temperatures_do_not_mix) {
  const Needs a{.greedy = true}, b{.samples = 5}, c{.samples = 10};
  const Needs all = a | b | c;
  EXPECT_TRUE(all.greedy);
  EXPECT_EQ(all.samples, 10);
  EXPECT_THROW(b | (Needs{.samples = 2, .temperature = 0.5}), UsageError);
}

TEST(EvidenceTest, scores_are_the_same_from_saved_evidence) {
  const auto model = test::tiny_model();
  const auto facts = test::tiny_facts();
  std::vector<generate::Request> requests;
  for (int i = 0; i < 5; ++i) requests.push_back(evidence::closed_book(facts.facts[size_t(i)], world::prompt_style()));
  const auto gathered = gather(*model, requests, {.greedy = true, .samples = 4}, {nn::Compute::f32, 3, 0});
  for (const auto& evidence : gathered) {
    ASSERT_EQ(evidence.samples.size(), 4u);
    const Evidence again =
        evidence_from_json(Json::parse(to_json(evidence).dump(-1, ' ', false, Json::error_handler_t::replace)));
    for (const char* name : {"sequence-probability", "token-entropy", "semantic-entropy:samples=4"}) {
      EXPECT_EQ(estimator_from(name).score(evidence), estimator_from(name).score(again)) << name;
    }
  }
}

TEST(EvidenceTest, damaged_saved_evidence_is_an_error) { EXPECT_THROW(evidence_from_json({{"prompt", "x"}}), Error); }

}  // namespace
}  // namespace ken::evidence
