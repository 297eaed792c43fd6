// Temperature scaling and certified thresholds.
#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "ken/base/rng.h"
#include "ken/stats/stats.h"

namespace ken::stats::calibration_test_file {
namespace {

TEST(CalibrationTest, TemperatureUndoesOverconfidence) {
  Rng rng(1);
  std::vector<double> given;
  std::vector<int> right;
  for (int i = 0; i < 20000; ++i) {
    const double honest = 0.02 + 0.96 * rng.uniform();
    given.push_back(tempered(honest, 0.5));  // logits twice as large as they should be
    right.push_back(rng.chance(honest));
  }
  const double t = fit_temperature(given, right);
  EXPECT_NEAR(t, 2, 0.06);
  std::vector<double> mended;
  for (const double p : given) mended.push_back(tempered(p, t));
  EXPECT_GT(ece(given, right), 0.07);
  EXPECT_LT(ece(mended, right), 0.015);
  EXPECT_NEAR(tempered(0.3, 1), 0.3, 1e-12);
  EXPECT_TRUE(std::isnan(fit_temperature(std::vector<double>{0.5, 0.6}, std::vector<int>{1, 1})));
}

TEST(CalibrationTest, BinomialTailIsExact) {
  // Sums of exact fractions.
  EXPECT_NEAR(binomial_tail(0, 10, 0.5), 1.0 / 1024, 1e-14);
  EXPECT_NEAR(binomial_tail(2, 10, 0.5), 56.0 / 1024, 1e-13);
  EXPECT_NEAR(binomial_tail(1, 3, 1.0 / 3), 20.0 / 27, 1e-13);
  EXPECT_EQ(binomial_tail(5, 5, 0.2), 1);
}

// Over many draws, the share of draws whose true risk lies above the promised one is at most delta.
TEST(CalibrationTest, CertifiedRiskHoldsAsOftenAsPromised) {
  int broken = 0, certified = 0;
  for (uint64_t draw = 0; draw < 200; ++draw) {
    Rng rng(5, draw);
    std::vector<double> scores;
    std::vector<int> right;
    for (int i = 0; i < 4000; ++i) {
      scores.push_back(rng.uniform());
      right.push_back(rng.chance(scores.back()));  // the risk at score s is 1 - s
    }
    const double threshold = certified_threshold(scores, right, 0.1, 0.1);
    if (std::isnan(threshold)) continue;
    ++certified;
    broken += (1 - threshold) / 2 > 0.1;  // the mean risk of scores above the threshold
  }
  EXPECT_GT(certified, 150);
  EXPECT_LE(broken, 20);
}

TEST(CalibrationTest, NothingIsCertifiedFromTooLittle) {
  EXPECT_TRUE(std::isnan(certified_threshold(std::vector<double>{0.9, 0.8}, std::vector<int>{1, 1}, 0.05, 0.1)));
}

TEST(CalibrationTest, GroupsWidenTheInterval) {
  std::vector<double> scores;
  std::vector<int> labels;
  std::vector<std::string> groups;
  Rng rng(2);
  for (int g = 0; g < 40; ++g) {
    const int label = int(rng.below(2));
    const double score = label + rng.normal();
    for (int i = 0; i < 10; ++i) {
      scores.push_back(score), labels.push_back(label), groups.push_back(std::to_string(g));
    }
  }
  const Number items = bootstrap(scores, labels, auroc, 1, "auroc"),
               clusters = bootstrap(scores, labels, groups, auroc, 1, "auroc");
  EXPECT_EQ(items.value, clusters.value);
  EXPECT_GT(clusters.high - clusters.low, 2 * (items.high - items.low));
}

}  // namespace
}  // namespace ken::stats::calibration_test_file
