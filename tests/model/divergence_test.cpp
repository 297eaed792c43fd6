// The divergence of a model from itself, and from one whose distribution is known.
#include "ken/model/divergence.h"

#include <gtest/gtest.h>

#include <cmath>

#include "ken/base/error.h"
#include "tests/tiny.h"

namespace ken::model::divergence_test_file {
namespace {

TEST(DivergenceTest, is_none_from_itself_and_the_formula_from_another) {
  const auto a = test::tiny_model(), b = make_random(a->config, 77);
  const std::vector<std::vector<int32_t>> texts{{1, 2, 3, 4}, {5}};
  const auto none = divergence(*a, *a, {nn::Compute::f32}, texts)[0];
  EXPECT_EQ(none.tokens, 5);
  EXPECT_NEAR(none.mean, 0, 1e-9);
  EXPECT_EQ(none.same_first, 1);
  // Against a model whose output is zero everywhere, so that its distribution is even: KL = log V - entropy.
  const auto even = make_random(a->config, 78);
  even->ln_final.zero_();
  const auto some = divergence(*a, *even, {nn::Compute::f32}, texts)[0];
  double expected = 0;
  for (const auto& text : texts) {
    ForwardOptions options;
    options.logits = ForwardOptions::Logits::all;
    const Tensor p = at::softmax(forward(*a, pack({{text}}, a->config.vocab), options).logits.to(at::kDouble), -1);
    expected += (p * p.log()).sum().item<double>() + double(text.size()) * std::log(double(a->config.vocab));
  }
  EXPECT_NEAR(some.mean, expected / 5, 1e-5);
  EXPECT_GE(some.max, some.mean);
  EXPECT_GT(divergence(*a, *b, {nn::Compute::f32}, texts)[0].mean, 0);
}

TEST(DivergenceTest, refuses_other_vocabularies_and_no_text) {
  const auto a = test::tiny_model();
  Config other = a->config;
  other.vocab += 1;
  EXPECT_THROW(divergence(*a, *make_random(other, 1), {nn::Compute::f32}, {{1}}), Error);
  EXPECT_THROW(divergence(*a, *a, {nn::Compute::f32}, {}), Error);
}

}  // namespace
}  // namespace ken::model::divergence_test_file
