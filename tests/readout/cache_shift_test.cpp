#include "ken/readout/cache_shift.h"

#include <gtest/gtest.h>

#include "ken/base/error.h"
#include "tests/tiny.h"

namespace ken::readout::cache_shift_test_file {
namespace {

std::vector<int32_t> some_tokens(const model::Model& model, int64_t n) {
  std::vector<int32_t> tokens;
  for (int64_t i = 0; i < n; ++i) tokens.push_back(int32_t((i * 37 + 11) % model.config.vocab));
  return tokens;
}

double nll(const model::Model& model, const std::vector<int32_t>& tokens, int64_t begin, const CacheShift& shift) {
  const at::NoGradGuard none;
  const model::TapPlan plan(model.config, shift.taps());
  const auto logits = model::forward(model, model::pack({{tokens}}, model.config.vocab),
                                     {.taps = &plan, .logits = model::ForwardOptions::Logits::all})
                          .logits;
  double sum = 0;
  for (int64_t t = begin; t < int64_t(tokens.size()); ++t)
    sum -= at::log_softmax(logits[t - 1], -1)[tokens[size_t(t)]].item<double>();
  return sum / double(int64_t(tokens.size()) - begin);
}

TEST(CacheShiftTest, steps_make_the_window_likelier_and_zero_rate_moves_nothing) {
  const auto model = test::tiny_model();
  const auto tokens = some_tokens(*model, 20);
  const auto moved = fit_cache(*model, tokens, {.rate = 1e-2, .window = 10, .steps = 8}, nn::Compute::f32);
  EXPECT_LT(moved.after, moved.before - 0.01);
  // What the fit says of its window is what a pass with the taps gives.
  EXPECT_NEAR(nll(*model, tokens, 10, moved), moved.after, 1e-4);
  const auto still = fit_cache(*model, tokens, {.rate = 0, .window = 10}, nn::Compute::f32);
  EXPECT_EQ(still.keys.abs().max().item<float>(), 0);
  EXPECT_EQ(still.after, still.before);
}

TEST(CacheShiftTest, the_gradient_is_that_of_finite_differences) {
  const auto model = test::tiny_model();
  const auto tokens = some_tokens(*model, 12);
  // One tiny step of Adam moves every coordinate by the rate against the sign of its gradient.
  const double rate = 1e-3;
  const auto shift = fit_cache(*model, tokens, {.rate = rate, .window = 6}, nn::Compute::f32);
  int agree = 0, all = 0;
  for (const int64_t position : {0, 3, 5})
    for (const int64_t d : {0, 1, 5}) {
      CacheShift probe{at::zeros_like(shift.keys), at::zeros_like(shift.values)};
      const auto at = [&](double by) {
        probe.values[1][position][0][d] = by;
        return nll(*model, tokens, 6, probe);
      };
      const double slope = at(0.5) - at(-0.5);
      if (std::abs(slope) < 1e-4) continue;
      ++all;
      const double step = shift.values[1][position][0][d].item<double>();
      EXPECT_NEAR(std::abs(step), rate, rate * 0.05);
      agree += (step < 0) == (slope > 0);
    }
  EXPECT_GT(all, 3);
  EXPECT_EQ(agree, all);
}

TEST(CacheShiftTest, the_last_window_stays_and_short_texts_too) {
  const auto model = test::tiny_model();
  const auto shift = fit_cache(*model, some_tokens(*model, 14), {.rate = 1e-2, .window = 5}, nn::Compute::f32);
  EXPECT_GT(shift.keys.narrow(1, 5, 5).abs().max().item<float>(), 0);
  EXPECT_EQ(shift.keys.narrow(1, 10, 4).abs().max().item<float>(), 0);
  const auto none = fit_cache(*model, some_tokens(*model, 5), {.rate = 1e-2, .window = 5}, nn::Compute::f32);
  EXPECT_EQ(none.keys.abs().max().item<float>(), 0);
  EXPECT_THROW(fit_cache(*model, some_tokens(*model, 5), {.window = 0}, nn::Compute::f32), UsageError);
}

}  // namespace
}  // namespace ken::readout::cache_shift_test_file
