// AUROC, calibration and selective prediction against hand-computed values and brute force.
#include <gtest/gtest.h>

#include <cmath>

#include "ken/base/error.h"
#include "ken/base/rng.h"
#include "ken/stats/stats.h"

namespace ken::stats::scores_test_file {
namespace {

using namespace ken::stats;
using Scores = std::vector<double>;
using Labels = std::vector<int>;

double auroc_of_pairs(const Scores& scores, const Labels& labels) {
  double wins = 0, pairs = 0;
  for (size_t i = 0; i < scores.size(); ++i)
    for (size_t j = 0; j < scores.size(); ++j)
      if (labels[i] == 1 && labels[j] == 0) {
        wins += scores[i] > scores[j] ? 1 : scores[i] == scores[j] ? 0.5 : 0;
        ++pairs;
      }
  return wins / pairs;
}

TEST(ScoresTest, AurocOfAFewItems) {
  EXPECT_DOUBLE_EQ(auroc(Scores{0.9, 0.8, 0.2}, Labels{1, 1, 0}), 1);
  EXPECT_DOUBLE_EQ(auroc(Scores{0.9, 0.8, 0.2}, Labels{0, 0, 1}), 0);
  EXPECT_DOUBLE_EQ(auroc(Scores{0.5, 0.5, 0.5}, Labels{1, 0, 1}), 0.5);
  EXPECT_DOUBLE_EQ(auroc(Scores{3, 2, 2, 1}, Labels{1, 0, 1, 0}), 0.875);
}

TEST(ScoresTest, AurocEqualsBruteForceWithTies) {
  for (uint64_t seed = 0; seed < 50; ++seed) {
    ken::Rng rng(seed);
    Scores scores;
    Labels labels{0, 1};
    for (int i = 0; i < 60; ++i) scores.push_back(double(rng.below(12)));
    while (labels.size() < scores.size()) labels.push_back(rng.chance(0.4));
    EXPECT_NEAR(auroc(scores, labels), auroc_of_pairs(scores, labels), 1e-12);
  }
}

TEST(ScoresTest, AurocOfOneClassIsNan) {
  EXPECT_TRUE(std::isnan(auroc(Scores{1, 2}, Labels{1, 1})));
  EXPECT_TRUE(std::isnan(auroc(Scores{}, Labels{})));
}

TEST(ScoresTest, NanScoresAreAnErrorThatNamesTheFunction) {
  const Scores scores{0.1, NAN};
  const Labels labels{0, 1};
  using Statistic = double (*)(std::span<const double>, std::span<const int>);
  const std::vector<std::pair<std::string, Statistic>> functions{
      {"[auroc]", auroc}, {"[brier]", brier}, {"[aurc]", aurc}, {"[prr]", prr}, {"[ece]", ece15}};
  for (const auto& [name, function] : functions) {
    try {
      function(scores, labels);
      FAIL() << name << " took NaN";
    } catch (const ken::Error& error) {
      EXPECT_NE(std::string(error.what()).find(name), std::string::npos) << error.what();
    }
  }
  EXPECT_THROW(auroc(Scores{1}, labels), ken::Error);
  EXPECT_THROW(auroc(Scores{1, 2}, Labels{1, 2}), ken::Error);
  EXPECT_THROW(brier(Scores{1.5, 0}, labels), ken::Error);
}

TEST(ScoresTest, EceOfTwoBins) {
  // Bin [0, 0.5): confidence 0.2, accuracy 0; bin [0.5, 1]: confidence 0.9, accuracy 0.5.
  EXPECT_NEAR(ece(Scores{0.2, 0.2, 0.8, 1.0}, Labels{0, 0, 1, 0}, 2), 0.5 * 0.2 + 0.5 * 0.4, 1e-12);
  EXPECT_TRUE(std::isnan(ece(Scores{}, Labels{})));
}

TEST(ScoresTest, EceOfACalibratedSourceIsNearZero) {
  ken::Rng rng(7);
  Scores confidence;
  Labels right;
  for (int i = 0; i < 200000; ++i) {
    confidence.push_back(rng.uniform());
    right.push_back(rng.chance(confidence.back()));
  }
  EXPECT_LT(ece(confidence, right), 0.01);
  EXPECT_NEAR(brier(confidence, right), 1.0 / 6, 0.005);
}

TEST(ScoresTest, BrierOfAFewItems) { EXPECT_NEAR(brier(Scores{1, 0, 0.5}, Labels{1, 0, 1}), 0.25 / 3, 1e-12); }

TEST(ScoresTest, ReliabilityLeavesEmptyBinsOut) {
  const auto bins = reliability(Scores{0.05, 0.95, 1.0}, Labels{0, 1, 0});
  ASSERT_EQ(bins.size(), 2);
  EXPECT_EQ(bins[0].n, 1);
  EXPECT_EQ(bins[1].n, 2);
  EXPECT_DOUBLE_EQ(bins[1].low, 0.9);
  EXPECT_DOUBLE_EQ(bins[1].accuracy, 0.5);
  EXPECT_DOUBLE_EQ(bins[1].confidence, 0.975);
}

TEST(ScoresTest, RiskCoverageTakesTiesTogether) {
  const auto points = risk_coverage(Scores{0.5, 0.9, 0.5, 0.1}, Labels{1, 1, 0, 0});
  ASSERT_EQ(points.size(), 3);
  EXPECT_DOUBLE_EQ(points[0].coverage, 0.25);
  EXPECT_DOUBLE_EQ(points[0].risk, 0);
  EXPECT_DOUBLE_EQ(points[1].coverage, 0.75);
  EXPECT_DOUBLE_EQ(points[1].risk, 1.0 / 3);
  EXPECT_DOUBLE_EQ(points[1].threshold, 0.5);
  EXPECT_EQ(points[2].n, 4);
  EXPECT_DOUBLE_EQ(points[2].risk, 0.5);
}

TEST(ScoresTest, AurcIsTheMeanOverCoverages) {
  EXPECT_NEAR(aurc(Scores{4, 3, 2, 1}, Labels{1, 0, 1, 0}), (0 + 0.5 + 1.0 / 3 + 0.5) / 4, 1e-12);
  EXPECT_DOUBLE_EQ(aurc(Scores{1, 1, 1, 1}, Labels{1, 0, 1, 0}), 0.5);  // all tied: the error rate at every coverage
}

TEST(ScoresTest, OrderOfTiedItemsDoesNotMatter) {
  EXPECT_DOUBLE_EQ(aurc(Scores{2, 1, 1, 1}, Labels{1, 1, 0, 0}), aurc(Scores{2, 1, 1, 1}, Labels{1, 0, 0, 1}));
}

TEST(ScoresTest, PrrIsOneWhenPerfectAndNearZeroWhenRandom) {
  EXPECT_NEAR(prr(Scores{4, 3, 2, 1}, Labels{1, 1, 0, 0}), 1, 1e-12);
  EXPECT_LT(prr(Scores{4, 3, 2, 1}, Labels{0, 0, 1, 1}), 0);
  EXPECT_NEAR(prr(Scores{1, 1, 1, 1}, Labels{1, 0, 1, 0}), 0, 1e-12);
  EXPECT_TRUE(std::isnan(prr(Scores{1, 2}, Labels{1, 1})));
  ken::Rng rng(3);
  Scores scores;
  Labels right;
  for (int i = 0; i < 20000; ++i) {
    scores.push_back(rng.uniform());
    right.push_back(rng.chance(0.6));
  }
  EXPECT_NEAR(prr(scores, right), 0, 0.03);
}

}  // namespace
}  // namespace ken::stats::scores_test_file
