#include "ken/evidence/span_uncertainty.h"

#include <gtest/gtest.h>

#include "ken/stats/snr.h"
#include "tests/tiny.h"

namespace ken::evidence::span_uncertainty_test_file {
namespace {

TEST(SpanUncertaintyTest, a_candidate_is_read_behind_its_anchor) {
  const auto model = test::tiny_model();
  const std::vector<std::string> texts{"the birthplace of", "a person is", "some other words here"};
  const auto found = score_pairs(*model, texts, {{.anchor = 0, .candidates = {1, 2}}, {.anchor = 1}}, nn::Compute::f32);
  ASSERT_EQ(found.size(), 2u);
  EXPECT_TRUE(found[1].behind.empty());
  // The same by one text that is read whole.
  OptionTokens whole = option_tokens(*model, {"", {texts[0]}}, "whole");
  const auto b = option_tokens(*model, {"", {texts[1]}}, "b").options[0];
  whole.options[0].insert(whole.options[0].end(), b.begin(), b.end());
  const auto score = score_tokens(*model, {whole}, nn::Compute::f32)[0][0];
  const auto p = found[0].whole(0);
  ASSERT_EQ(p.size(), score.logprobs.size());
  for (size_t t = 0; t < p.size(); ++t) EXPECT_NEAR(p[t], std::exp(score.logprobs[t]), 1e-6) << t;
}

TEST(SpanUncertaintyTest, what_does_not_fit_the_context_is_left_out) {
  const auto model = test::tiny_model();
  std::string longer;
  for (int64_t i = 0; i < model->config.context; ++i) longer += "word ";
  const auto found = score_pairs(*model, {"a text", longer.substr(0, longer.size() / 2), "b"},
                                 {{.anchor = 0, .candidates = {1, 2}}}, nn::Compute::f32);
  for (size_t c = 0; c < found[0].candidates.size(); ++c)
    EXPECT_LE(int64_t(found[0].whole(c).size()), model->config.context);
  EXPECT_EQ(found[0].candidates.back(), 2u);
}

TEST(SpanUncertaintyTest, the_settling_ratio_is_a_percentile_of_all_windows) {
  PairScores pair{.anchor = 0, .candidates = {1}, .own = {0.2, 0.4, 0.4}, .behind = {{0.4}}};
  // Windows of two: (.2, .4): mean .3, variance .01; then two of variance 0.
  const auto snr = stats::window_snr(pair.whole(0), 2);
  ASSERT_EQ(snr.size(), 3u);
  EXPECT_NEAR(snr[0], 0.3 / (0.01 + 1e-6), 1e-9);
  EXPECT_NEAR(snr[1], 0.4 / 1e-6, 1e-3);
  EXPECT_DOUBLE_EQ(settling_snr({pair}, 2, 0), snr[0]);
  EXPECT_NEAR(settling_snr({pair}, 2, 0.6), 0.4 / 1e-6, 1e-3);
  EXPECT_EQ(settling_snr({pair}, 9, 0.6), 0);
}

}  // namespace
}  // namespace ken::evidence::span_uncertainty_test_file
