// CK-PLUG's gate, mixture and head against numbers worked out by hand.
#include <gtest/gtest.h>

#include "ken/generate/generate.h"
#include "tests/tiny.h"

namespace ken::generate::ck_plug_test_file {
namespace {

// Under the passage two tokens share the mass, without it one of them has 0.8: H_rag = ln 2 = 0.6931, H_par = 0.5004.
// The third token is hopeless in both streams.
const float passage[] = {std::log(0.5f), std::log(0.5f), std::log(1e-6f)};
const float memory[] = {std::log(0.8f), std::log(0.2f), std::log(1e-6f)};

struct CkPlugTest : testing::Test {
  Tensor combined(Json params) {
    params["top"] = 1;
    step = {at::tensor(at::ArrayRef<float>(passage)), {at::tensor(at::ArrayRef<float>(memory))}};
    return control_from("ck-plug", params).make()->combine(step);
  }
  Step step;
};

TEST_F(CkPlugTest, mixes_memory_and_what_the_passage_adds_over_the_head) {
  const Tensor at_zero = combined({{"alpha", 0.0}}).softmax(-1), at_one = combined({{"alpha", 1.0}}).softmax(-1),
               between = combined({{"alpha", 0.25}});
  EXPECT_NEAR(step.notes.at("confidence-gain"), 0.5004 - 0.6931, 1e-4);
  EXPECT_EQ(step.notes.at("conflict"), 1);
  // q_cont = log(0.5 / 0.8), log(0.5 / 0.2): normalised 0.625 : 2.5.
  EXPECT_NEAR(at_zero[0].item<double>(), 0.2, 1e-5);
  EXPECT_NEAR(at_one[0].item<double>(), 0.8, 1e-5);
  EXPECT_NEAR((between[0] - between[1]).item<double>(), 0.25 * std::log(4.0) - 0.75 * std::log(4.0), 1e-5);
  EXPECT_TRUE(std::isinf(between[2].item<double>()));
}

TEST_F(CkPlugTest, adaptive_weighs_memory_by_the_entropy_under_the_passage) {
  const Tensor mixed = combined({{"mode", "adaptive"}});
  const double alpha = 0.6931 / (0.6931 + 0.5004);
  EXPECT_NEAR((mixed[0] - mixed[1]).item<double>(), (2 * alpha - 1) * std::log(4.0), 1e-3);
}

TEST_F(CkPlugTest, the_gate_leaves_tokens_without_a_conflict_as_they_are) {
  EXPECT_TRUE(at::equal(combined({{"alpha", 0.0}, {"epsilon", -0.2}}), step.logits));
  EXPECT_EQ(step.notes.at("conflict"), 0);
  EXPECT_FALSE(at::equal(combined({{"alpha", 0.0}, {"epsilon", -0.19}}), step.logits));
  // CG = -0.193 < -0.5 + 0.5 * 0.693 = -0.153
  EXPECT_FALSE(at::equal(combined({{"alpha", 0.0}, {"epsilon", -0.5}, {"kappa", 0.5}}), step.logits));
  EXPECT_TRUE(at::equal(combined({{"alpha", 0.0}, {"epsilon", -0.5}, {"kappa", 0.4}}), step.logits));
}

TEST_F(CkPlugTest, a_share_of_the_best_token_opens_the_head) {
  const Tensor mixed = combined({{"alpha", 0.0}, {"share", 1e-7}});
  EXPECT_TRUE(std::isfinite(mixed[2].item<double>()));
}

TEST_F(CkPlugTest, what_was_ruled_out_before_stays_out) {
  step = {at::tensor({0.0f, -INFINITY, 0.0f}), {at::tensor({0.0f, 3.0f, 0.0f})}};
  const Tensor mixed = control_from("ck-plug:alpha=1,epsilon=9").make()->combine(step);
  EXPECT_TRUE(std::isinf(mixed[1].item<double>()));
  EXPECT_NEAR(mixed[0].item<double>(), mixed[2].item<double>(), 1e-6);
  EXPECT_FALSE(mixed.isnan().any().item<bool>());
}

TEST_F(CkPlugTest, asks_for_the_prompt_without_its_passage_and_refuses_what_is_out_of_range) {
  const auto control = control_from("ck-plug").make();
  EXPECT_EQ(control->twins({"passage question", "question"}).at(0).text, "question");
  EXPECT_THROW(control->twins({"question", ""}), UsageError);
  EXPECT_THROW(control_from("ck-plug:alpha=1.5"), UsageError);
  EXPECT_THROW(control_from("ck-plug:mode=free"), UsageError);
}

TEST_F(CkPlugTest, a_row_does_not_depend_on_the_others_of_its_batch) {
  const auto model = test::tiny_model();
  const auto facts = test::tiny_facts();
  std::vector<Request> requests;
  for (const auto& item : facts.contexts) {
    if (requests.size() == 5) break;
    requests.push_back(evidence::with_passage(item, world::prompt_style()));
    requests.back().controls = {control_from("ck-plug:alpha=0.8,epsilon=1")};
  }
  const auto together = generate(*model, requests, {.compute = nn::Compute::f32});
  for (size_t i = 0; i < requests.size(); ++i) {
    const auto alone = generate(*model, {requests[i]}, {.compute = nn::Compute::f32})[0][0];
    EXPECT_EQ(alone.tokens, together[i][0].tokens);
    for (size_t t = 0; t < alone.logprobs.size(); ++t) EXPECT_NEAR(alone.logprobs[t], together[i][0].logprobs[t], 1e-4);
    EXPECT_EQ(alone.notes.at("conflict").size(), alone.logprobs.size());
  }
}

}  // namespace
}  // namespace ken::generate::ck_plug_test_file
