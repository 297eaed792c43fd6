// Figures of held-out scores against values computed by hand.
#include "ken/readout/judge.h"
#include "ken/base/error.h"

#include <gtest/gtest.h>

#include "ken/base/rng.h"

namespace ken::readout::judge_test_file {
namespace {

TEST(JudgeTest, the_best_of_many_noisy_probes_is_worth_one_half_when_chosen_on_other_folds) {
  Rng rng(5);
  std::vector<int> labels, fold;
  for (int i = 0; i < 100; ++i) labels.push_back(i % 2), fold.push_back(i / 2 % 5);
  std::vector<std::vector<double>> all(60, std::vector<double>(100));
  double most = 0;
  for (auto& probe : all) {
    for (double& score : probe) score = rng.normal();
    most = std::max(most, stats::auroc(probe, labels));
  }
  EXPECT_GT(most, 0.6);
  EXPECT_LT(stats::auroc(chosen_on_other_folds(all, labels, fold), labels), most - 0.03);
}

TEST(JudgeTest, a_good_probe_is_chosen_in_every_fold) {
  const std::vector<int> labels = {0, 1, 0, 1, 0, 1, 0, 1}, fold = {0, 0, 1, 1, 2, 2, 3, 3};
  const std::vector<std::vector<double>> all = {{1, 0, 1, 0, 1, 0, 1, 0}, {0, 1, 0, 1, 0, 1, 0, 1}};
  std::vector<size_t> chosen;
  EXPECT_EQ(chosen_on_other_folds(all, labels, fold, stats::auroc, &chosen), all[1]);
  EXPECT_EQ(chosen, (std::vector<size_t>(8, 1)));
}

TEST(JudgeTest, average_precision_and_balanced_accuracy_by_hand) {
  // Ranked 1, 0, 1: precision 1 at the first half of the recall, 2/3 at the second.
  EXPECT_NEAR(auprc(std::vector<double>{3, 2, 1}, std::vector<int>{1, 0, 1}), 0.5 * 1 + 0.5 * 2 / 3, 1e-12);
  // All equal: the share of positives.
  EXPECT_NEAR(auprc(std::vector<double>{1, 1, 1, 1}, std::vector<int>{1, 0, 0, 0}), 0.25, 1e-12);
  EXPECT_TRUE(std::isnan(auprc(std::vector<double>{1}, std::vector<int>{1})));
  // Cell "a 1": one of two flagged; "a 0": none flagged; "b 0": flagged.
  const std::vector<double> scores = {1, -1, -1, 2};
  const std::vector<int> labels = {1, 1, 0, 0};
  const std::vector<std::string> cells = {"a 1", "a 1", "a 0", "b 0"};
  EXPECT_NEAR(balanced_accuracy(scores, labels, cells), (0.5 + 1 + 0) / 3, 1e-12);
}

TEST(JudgeTest, each_fold_is_answered_by_the_probe_that_is_best_elsewhere) {
  // probe 0 is right on fold 0 alone, probe 1 on fold 1 alone: chosen on the other fold, both are wrong
  const std::vector<int> labels = {0, 1, 0, 1}, fold = {0, 0, 1, 1};
  const auto chosen = chosen_on_other_folds({{0, 1, 1, 0}, {1, 0, 0, 1}}, labels, fold);
  EXPECT_EQ(chosen, (std::vector<double>{1, 0, 1, 0}));
  EXPECT_THROW(chosen_on_other_folds({}, labels, fold), Error);
}

}  // namespace
}  // namespace ken::readout::judge_test_file
