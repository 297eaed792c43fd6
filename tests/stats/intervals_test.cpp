// Intervals and grouped splits.
#include <gtest/gtest.h>

#include <cmath>
#include <map>

#include "ken/base/error.h"
#include "ken/base/parallel.h"
#include "ken/base/rng.h"
#include "ken/stats/stats.h"

namespace ken::stats::intervals_test_file {
namespace {

using namespace ken::stats;

TEST(IntervalsTest, WilsonOfEightInTen) {
  const Number number = proportion(8, 10, "accuracy");
  EXPECT_DOUBLE_EQ(number.value, 0.8);
  EXPECT_NEAR(number.low, 0.4901625, 1e-6);
  EXPECT_NEAR(number.high, 0.9433178, 1e-6);
  EXPECT_EQ(number.n, 10);
}

TEST(IntervalsTest, WilsonStaysInsideTheUnitInterval) {
  EXPECT_EQ(proportion(0, 5, "").low, 0);
  EXPECT_EQ(proportion(5, 5, "").high, 1);
  EXPECT_TRUE(std::isnan(proportion(0, 0, "").value));
  EXPECT_THROW(proportion(3, 2, ""), ken::Error);
}

TEST(IntervalsTest, NumberWithoutAValueIsNullInJson) {
  EXPECT_EQ(to_json(proportion(0, 0, "recall")).dump(), R"({"value":null,"n":0,"ci":[null,null],"metric":"recall"})");
}

TEST(IntervalsTest, MeanCoversTheTruthAboutAsOftenAsItSays) {
  int covered = 0;
  for (uint64_t seed = 0; seed < 200; ++seed) {
    ken::Rng rng(seed);
    std::vector<double> values;
    for (int i = 0; i < 80; ++i) values.push_back(rng.normal());
    const Number number = mean(values, seed, "mean", 300);
    covered += number.low <= 0 && 0 <= number.high;
  }
  EXPECT_GE(covered, 178);  // 95 % of 200 is 190; the bootstrap is a little short, and this is a sample
}

TEST(IntervalsTest, SameSeedSameInterval) {
  const std::vector<double> values{1, 2, 3, 4, 10};
  EXPECT_EQ(mean(values, 5, "").low, mean(values, 5, "").low);
  EXPECT_NE(mean(values, 5, "").low, mean(values, 5, "").high);
  EXPECT_THROW(mean(std::vector<double>{1, NAN}, 5, ""), ken::Error);
}

#ifdef _OPENMP
TEST(IntervalsTest, SameIntervalOnAnyNumberOfThreads) {
  Rng rng(3, 0);
  std::vector<double> scores;
  std::vector<int> labels;
  std::vector<std::string> groups;
  for (int i = 0; i < 60; ++i) {
    labels.push_back(i % 2), groups.push_back(std::to_string(i / 4));
    scores.push_back(rng.normal() + labels.back());
  }
  const int before = omp_get_max_threads();
  std::vector<Number> found;
  for (const int threads : {1, 3}) {
    omp_set_num_threads(threads);
    found.push_back(mean(scores, 5, "mean"));
    found.push_back(bootstrap(scores, labels, auroc, 5, "auroc"));
    found.push_back(bootstrap(scores, labels, groups, auroc, 5, "auroc"));
  }
  omp_set_num_threads(before);
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_LT(found[i].low, found[i].high) << i;
    EXPECT_EQ(found[i].low, found[i + 3].low) << i;
    EXPECT_EQ(found[i].high, found[i + 3].high) << i;
  }
}
#endif

TEST(IntervalsTest, BootstrapLeavesOutResamplesWithoutAValue) {
  const std::vector<double> scores{0.1, 0.4, 0.35, 0.8};
  const std::vector<int> labels{0, 0, 1, 1};
  const Number number = bootstrap(scores, labels, auroc, 1, "auroc");
  EXPECT_DOUBLE_EQ(number.value, 0.75);
  EXPECT_GE(number.low, 0);
  EXPECT_EQ(number.high, 1);
  EXPECT_TRUE(std::isnan(bootstrap(scores, std::vector<int>{1, 1, 1, 1}, auroc, 1, "auroc").low));
}

TEST(IntervalsTest, FoldsNeverSplitAGroup) {
  std::vector<std::string> groups;
  for (int i = 0; i < 2000; ++i) groups.push_back("person " + std::to_string(i % 400));
  const auto folds = grouped_folds(groups, 5, 11);
  std::map<std::string, int> fold_of;
  std::map<int, int> sizes;
  for (size_t i = 0; i < groups.size(); ++i) {
    EXPECT_EQ(fold_of.try_emplace(groups[i], folds[i]).first->second, folds[i]);
    ++sizes[folds[i]];
  }
  ASSERT_EQ(sizes.size(), 5);
  for (const auto& [fold, size] : sizes) EXPECT_GT(size, 250) << fold;
  EXPECT_NE(folds, grouped_folds(groups, 5, 12));
  EXPECT_THROW(grouped_folds(groups, 0, 1), ken::Error);
}

TEST(IntervalsTest, FoldOfAGroupDoesNotDependOnTheOthers) {
  const std::vector<std::string> all{"a", "b", "c"}, some{"c"};
  EXPECT_EQ(grouped_folds(all, 7, 3)[2], grouped_folds(some, 7, 3)[0]);
}

}  // namespace
}  // namespace ken::stats::intervals_test_file
