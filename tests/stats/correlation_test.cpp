// Sample mean, spread and correlation against hand-computed values.
#include <gtest/gtest.h>

#include <cmath>

#include "ken/base/error.h"
#include "ken/stats/stats.h"

namespace ken::stats::correlation_test_file {
namespace {

using namespace ken::stats;
using Values = std::vector<double>;

TEST(CorrelationTest, MeanAndSpread) {
  EXPECT_DOUBLE_EQ(mean_of(Values{2, 4, 4, 4, 5, 5, 7, 9}), 5);
  EXPECT_NEAR(sd_of(Values{2, 4, 4, 4, 5, 5, 7, 9}), std::sqrt(32.0 / 7), 1e-12);
  EXPECT_TRUE(std::isnan(mean_of(Values{})));
  EXPECT_TRUE(std::isnan(sd_of(Values{1})));
}

TEST(CorrelationTest, PearsonOfAFewPairs) {
  EXPECT_NEAR(pearson(Values{1, 2, 3}, Values{2, 4, 6}), 1, 1e-12);
  EXPECT_NEAR(pearson(Values{1, 2, 3}, Values{1, 3, 2}), 0.5, 1e-12);
  EXPECT_TRUE(std::isnan(pearson(Values{1, 2, 3}, Values{5, 5, 5})));
}

TEST(CorrelationTest, SpearmanSeesOnlyOrder) {
  EXPECT_NEAR(spearman(Values{1, 2, 3, 4}, Values{1, 10, 100, 1000}), 1, 1e-12);
  EXPECT_NEAR(spearman(Values{1, 2, 3, 4}, Values{4, 3, 2, 1}), -1, 1e-12);
}

TEST(CorrelationTest, SpearmanAveragesTies) {
  // Ranks 1, 2.5, 2.5, 4 against 1, 2, 3, 4: 4.5 / sqrt(4.5 * 5).
  EXPECT_NEAR(spearman(Values{1, 2, 2, 3}, Values{1, 2, 3, 4}), 4.5 / std::sqrt(22.5), 1e-12);
}

TEST(CorrelationTest, NanAndUnequalLengthsAreErrors) {
  EXPECT_THROW(pearson(Values{1, NAN}, Values{1, 2}), ken::Error);
  EXPECT_THROW(spearman(Values{1}, Values{1, 2}), ken::Error);
  EXPECT_THROW(mean_of(Values{NAN}), ken::Error);
}

}  // namespace
}  // namespace ken::stats::correlation_test_file
