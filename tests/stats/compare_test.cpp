// Two samples side by side. The expected values are of exact fractions and of the formulas in Python.
#include "ken/stats/compare.h"

#include <gtest/gtest.h>

#include <cmath>

#include "ken/base/error.h"
#include "ken/base/rng.h"

namespace ken::stats::compare_test_file {
namespace {

using namespace ken::stats;

TEST(CompareStatsTest, fisher_sums_all_tables_that_are_no_more_likely) {
  EXPECT_NEAR(fisher_exact(3, 10, 9, 12), 0.08355730956350152, 1e-12);
  EXPECT_NEAR(fisher_exact(8, 10, 1, 9), 0.005477494641581329, 1e-12);
  EXPECT_NEAR(fisher_exact(1, 1000, 12, 900), 0.001132008636306627, 1e-11);
  EXPECT_NEAR(fisher_exact(0, 5, 0, 7), 1, 1e-12);
  EXPECT_TRUE(std::isnan(fisher_exact(0, 0, 3, 5)));
  EXPECT_THROW(fisher_exact(4, 3, 0, 1), ken::Error);
}

TEST(CompareStatsTest, two_proportions_is_the_n_minus_1_test_where_counts_allow) {
  EXPECT_NEAR(two_proportions(80, 100, 60, 100), 0.002081557630998806, 1e-12);
  EXPECT_NEAR(two_proportions(30, 1000, 5, 900), 7.640653181412139e-05, 1e-14);
  EXPECT_NEAR(two_proportions(12, 40, 18, 37), 0.09578947882380903, 1e-12);
  EXPECT_DOUBLE_EQ(two_proportions(18, 37, 12, 40), two_proportions(12, 40, 18, 37));
  EXPECT_EQ(two_proportions(0, 10, 0, 90), 1);
  EXPECT_EQ(two_proportions(10, 10, 90, 90), 1);
  EXPECT_DOUBLE_EQ(two_proportions(0, 3, 2, 300), fisher_exact(0, 3, 2, 300));  // an expected count under 1
  EXPECT_TRUE(std::isnan(two_proportions(0, 0, 1, 2)));
}

TEST(CompareStatsTest, mcnemar_is_the_exact_binomial_test) {
  EXPECT_NEAR(mcnemar_exact(5, 15), 0.04138946533203125, 1e-13);
  EXPECT_NEAR(mcnemar_exact(0, 6), 0.03125, 1e-14);
  EXPECT_NEAR(mcnemar_exact(150, 40), 3.586135686776738e-16, 1e-26);
  EXPECT_NEAR(mcnemar_exact(300, 400), 0.00017847631448562445, 1e-14);
  EXPECT_EQ(mcnemar_exact(10, 10), 1);
  EXPECT_EQ(mcnemar_exact(0, 0), 1);
  EXPECT_THROW(mcnemar_exact(-1, 2), ken::Error);
}

TEST(CompareStatsTest, intervals_face_each_other) {
  const Estimate a{0.9, 0.85, 0.93}, b{0.8, 0.7, 0.84};
  EXPECT_NEAR(from_intervals(a, b), 0.0022063631417998204, 1e-14);
  EXPECT_DOUBLE_EQ(from_intervals(b, a), from_intervals(a, b));
  EXPECT_NEAR(from_intervals({1, 0.9, 1.2}, {1.5, 1.4, 1.7}), 1.172644684252118e-05, 1e-16);
  EXPECT_EQ(from_intervals(a, {0.9, 0.1, 1}), 1);
  EXPECT_TRUE(std::isnan(from_intervals({1, 1, 1}, {0.5, 0.5, 0.5})));  // intervals without width say nothing
  EXPECT_TRUE(std::isnan(from_intervals({1, NAN, NAN}, b)));
}

// With 1 and 2 degrees of freedom Student's distribution has a closed form; with many it is the normal one.
TEST(CompareStatsTest, paired_t_is_students_test_of_the_differences) {
  const auto p = [](std::vector<double> differences) {
    return paired_t(differences, std::vector<double>(differences.size(), 0.0));
  };
  EXPECT_NEAR(p({1, 3}), 1 - 2 / M_PI * std::atan(2.0), 1e-12);  // mean 2, sd sqrt(2): t = 2
  EXPECT_NEAR(p({1, 2, 3}), 1 - std::sqrt(12.0 / 14), 1e-12);    // t = 2 sqrt(3)
  std::vector<double> many(40000);
  for (size_t i = 0; i < many.size(); ++i) many[i] = i % 2 ? 1.01 : -0.99;  // t = 2
  EXPECT_NEAR(p(many), std::erfc(2 / std::sqrt(2.0)), 1e-4);
  EXPECT_EQ(p({0.5, 0.5}), 0);
  EXPECT_EQ(p({0, 0, 0}), 1);
  EXPECT_TRUE(std::isnan(p({1})));
  EXPECT_DOUBLE_EQ(paired_t(std::vector<double>{1, 5, 2}, std::vector<double>{2, 3, 3}),
                   paired_t(std::vector<double>{2, 3, 3}, std::vector<double>{1, 5, 2}));
  EXPECT_THROW(paired_t(std::vector<double>{1}, std::vector<double>{}), ken::Error);
}

TEST(CompareStatsTest, holm_steps_down_and_passes_over_what_was_not_tested) {
  const auto p = holm(std::vector<double>{0.01, 0.04, NAN, 0.03, 0.005});
  EXPECT_DOUBLE_EQ(p[4], 0.02);
  EXPECT_DOUBLE_EQ(p[0], 0.03);
  EXPECT_DOUBLE_EQ(p[3], 0.06);
  EXPECT_DOUBLE_EQ(p[1], 0.06);  // 0.04 times 1, but never under its predecessor
  EXPECT_TRUE(std::isnan(p[2]));
  EXPECT_EQ(holm(std::vector<double>{0.7, 0.9})[0], 1);
  EXPECT_TRUE(holm({}).empty());
  EXPECT_THROW(holm(std::vector<double>{1.5}), ken::Error);
}

TEST(CompareStatsTest, equal_samples_differ_about_as_often_as_alpha_says) {
  int proportions = 0, paired = 0;
  constexpr int rounds = 2000;
  for (uint64_t round = 0; round < rounds; ++round) {
    ken::Rng rng(7, round);
    int64_t a = 0, b = 0, only_a = 0, only_b = 0;
    for (int i = 0; i < 120; ++i) {
      const bool in_a = rng.chance(0.3), in_b = rng.chance(0.3);
      a += in_a;
      b += in_b;
      only_a += in_a && !in_b;
      only_b += in_b && !in_a;
    }
    proportions += two_proportions(a, 120, b, 120) < 0.05;
    paired += mcnemar_exact(only_a, only_b) < 0.05;
  }
  EXPECT_NEAR(proportions / double(rounds), 0.05, 0.015);
  EXPECT_LE(paired / double(rounds), 0.05);  // an exact test keeps under its level
}

}  // namespace
}  // namespace ken::stats::compare_test_file
