// Conformal sets hold the true label as often as promised; agreement of classes against counts made by hand.
#include "ken/stats/conformal.h"

#include <gtest/gtest.h>

#include "ken/base/error.h"
#include "ken/base/rng.h"
#include "ken/stats/classes.h"

namespace ken::stats::conformal_test_file {
namespace {

TEST(ConformalTest, p_values_count_the_calibration_items_that_are_as_strange) {
  const Conformal conformal({0.1, 0.4, 0.2, 0.3});
  EXPECT_DOUBLE_EQ(conformal.p_value(0.05), 1.0);
  EXPECT_DOUBLE_EQ(conformal.p_value(0.3), 3.0 / 5);  // 0.3 and 0.4, and the item itself
  EXPECT_DOUBLE_EQ(conformal.p_value(0.5), 1.0 / 5);
  EXPECT_THROW(Conformal({}), Error);
  EXPECT_THROW(Conformal({NAN}), Error);
}

TEST(ConformalTest, nonconformity_falls_with_the_margin_of_the_label) {
  EXPECT_DOUBLE_EQ(nonconformity(2.0, 1), std::exp(-2.0));
  EXPECT_DOUBLE_EQ(nonconformity(2.0, -1), std::exp(2.0));
  const std::vector<double> p = {0.7, 0.2, 0.1};
  EXPECT_DOUBLE_EQ(nonconformity(p, 0), 0.25);
  EXPECT_DOUBLE_EQ(nonconformity(p, 1), 0.75);
  EXPECT_THROW(nonconformity(p, 3), Error);
}

// Three classes; the probabilities are those that the labels are drawn from, or overconfident ones.
double coverage(bool overconfident, double alpha) {
  Rng rng(7);
  const auto draw = [&](std::vector<double>& p) {
    double sum = 0;
    for (auto& value : p) sum += value = -std::log(1 - rng.uniform());
    for (auto& value : p) value /= sum;
    const double u = rng.uniform();
    const int label = u < p[0] ? 0 : u < p[0] + p[1] ? 1 : 2;
    if (overconfident) {
      double total = 0;
      for (auto& value : p) total += value = std::pow(value, 4);
      for (auto& value : p) value /= total;
    }
    return label;
  };
  std::vector<double> p(3), scores;
  for (int i = 0; i < 3000; ++i) {
    const int label = draw(p);
    scores.push_back(nonconformity(p, label));
  }
  const Conformal conformal(scores);
  std::vector<std::vector<int>> sets;
  std::vector<int> labels;
  for (int i = 0; i < 3000; ++i) {
    labels.push_back(draw(p));
    sets.push_back(conformal.set(p, alpha));
  }
  return report(sets, labels).coverage;
}

TEST(ConformalTest, sets_cover_as_promised_even_where_probabilities_are_wrong) {
  EXPECT_NEAR(coverage(false, 0.1), 0.9, 0.02);
  EXPECT_NEAR(coverage(true, 0.1), 0.9, 0.02);
  EXPECT_NEAR(coverage(true, 0.3), 0.7, 0.025);
}

TEST(ConformalTest, a_report_counts_answers_and_abstentions) {
  const std::vector<int> labels = {0, 1, 2, 1};
  const ConformalReport r = report({{0}, {0}, {}, {0, 1}}, labels);
  EXPECT_DOUBLE_EQ(r.coverage, 0.5);
  EXPECT_DOUBLE_EQ(r.answered, 0.5);
  EXPECT_DOUBLE_EQ(r.empty, 0.25);
  EXPECT_EQ(r.answers, (std::vector<int>{0, 0}));
  EXPECT_EQ(r.actual, (std::vector<int>{0, 1}));
  EXPECT_THROW(report({}, std::vector<int>{}), Error);
}

TEST(ConformalTest, binary_sets_follow_the_sign) {
  const Conformal conformal({0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9});
  EXPECT_EQ(conformal.set(3.0, 0.15), (std::vector<int>{1}));
  EXPECT_EQ(conformal.set(-3.0, 0.15), (std::vector<int>{-1}));
  EXPECT_EQ(conformal.set(0.0, 0.05), (std::vector<int>{-1, 1}));
}

TEST(ClassesTest, agreement_of_hand_made_counts) {
  const std::vector<int> actual = {0, 0, 0, 0, 1, 1, 2, 2}, predicted = {0, 0, 0, 1, 1, 0, 2, 2};
  EXPECT_DOUBLE_EQ(accuracy(predicted, actual), 0.75);
  EXPECT_DOUBLE_EQ(balanced_accuracy(predicted, actual), (0.75 + 0.5 + 1) / 3);
  // c = 6, s = 8, p = {4, 2, 2}, t = {4, 2, 2}: (48 - 24) / (64 - 24)
  EXPECT_DOUBLE_EQ(matthews(predicted, actual), 0.6);
  EXPECT_DOUBLE_EQ(matthews(actual, actual), 1);
  EXPECT_DOUBLE_EQ(matthews(std::vector<int>(8, 0), actual), 0);
  // two classes: (tp tn - fp fn) / sqrt(...), 3 2 - 1 1 over sqrt(4 4 3 3)
  EXPECT_NEAR(matthews(std::vector<int>{1, 1, 1, 0, 0, 0, 1}, std::vector<int>{1, 1, 1, 1, 0, 0, 0}), 5.0 / 12, 1e-12);
  EXPECT_THROW(matthews(predicted, std::vector<int>{1}), Error);
}

}  // namespace
}  // namespace ken::stats::conformal_test_file
