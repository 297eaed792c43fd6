// Attribution along a line: exact where the answer is known, complete on a model, and its scalars are the model's own.
#include "ken/readout/attribution.h"

#include <gtest/gtest.h>

#include "ken/base/error.h"
#include "tests/tiny.h"

namespace ken::readout::attribution_test_file {
namespace {

TEST(AttributionTest, a_linear_function_is_exact_in_one_step_by_both_rules) {
  const Tensor w = at::randn({3, 4}), x = at::randn({3, 4}), x0 = at::randn({3, 4});
  const Scalar f = [&](const Tensor& points) { return (points * w).flatten(1).sum(1); };
  for (const auto& found : {integrated_gradients(f, x, x0, {.steps = 1}), gradient_times_input(f, x, x0)}) {
    EXPECT_TRUE(at::allclose(found.scores, w * (x - x0), 1e-5, 1e-6));
    EXPECT_LT(found.gap(), 1e-4);
  }
}

TEST(AttributionTest, the_midpoint_rule_is_exact_on_squares_and_gradient_times_input_is_not) {
  const Tensor x = at::rand({5}) + 1, x0 = at::zeros({5});
  const Scalar f = [](const Tensor& points) { return points.square().sum(1); };
  EXPECT_TRUE(at::allclose(integrated_gradients(f, x, x0, {.steps = 1}).scores, x.square(), 1e-5, 1e-6));
  EXPECT_NEAR(gradient_times_input(f, x, x0).gap(), 1, 1e-4);
}

TEST(AttributionTest, steps_are_doubled_until_the_gap_is_small_or_the_bound_is_reached) {
  const Tensor x = at::ones({1}), x0 = at::zeros({1});
  const Scalar f = [](const Tensor& points) { return points.pow(9).sum(1); };
  const auto open = integrated_gradients(f, x, x0, {.steps = 1, .most_steps = 4096, .gap = 1e-3});
  EXPECT_LE(open.gap(), 1e-3);
  EXPECT_GT(open.steps, 8);
  EXPECT_EQ(integrated_gradients(f, x, x0, {.steps = 1, .most_steps = 4, .gap = 1e-6}).steps, 4);
}

TEST(AttributionTest, attribution_of_a_models_embeddings_is_complete) {
  const auto model = test::tiny_model();
  const std::vector<int32_t> tokens = {5, 17, 42, 9};
  const Tensor x = embeddings(*model, tokens), x0 = mean_embedding(*model).expand({4, 32}).contiguous();
  const Scalar f = of_layer(*model, tokens, 0, {7, 11}, nn::Compute::f32);
  const auto found = integrated_gradients(f, x, x0, {.steps = 64, .most_steps = 1024, .gap = 0.02});
  EXPECT_LE(found.gap(), 0.02);
  const at::NoGradGuard no_gradients;
  const Tensor logits =
      model::forward(*model, model::pack({{tokens}}, model->config.vocab), {.compute = nn::Compute::f32}).logits[0];
  EXPECT_NEAR(found.to, (logits[7] - logits[11]).item<double>(), 1e-4);
}

TEST(AttributionTest, a_baseline_of_another_shape_is_refused) {
  const Scalar f = [](const Tensor& points) { return points.sum(1); };
  EXPECT_THROW(integrated_gradients(f, at::ones({2}), at::ones({3}), {}), Error);
}

}  // namespace
}  // namespace ken::readout::attribution_test_file
