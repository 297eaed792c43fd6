#include <gtest/gtest.h>

#include "ken/readout/analysis.h"
#include "ken/stats/calibrate.h"
#include "tests/tiny.h"

namespace ken::readout::conformal_abstention_test_file {
namespace {

TEST(ConformalAbstentionTest, the_marginal_threshold_is_the_lowest_that_the_bound_allows) {
  // surest first: right, right, wrong, right, wrong; n = 5, so (wrong + 1) / 6 must stay at most the risk
  const std::vector<double> scores = {5, 4, 3, 2, 1};
  const std::vector<int> right = {1, 1, 0, 1, 0};
  EXPECT_EQ(stats::risk_control_threshold(scores, right, 0.34), 2);  // one wrong answer: 2 / 6
  EXPECT_EQ(stats::risk_control_threshold(scores, right, 0.2), 4);   // none: 1 / 6
  EXPECT_EQ(stats::risk_control_threshold(scores, right, 0.5), 1);
  EXPECT_TRUE(std::isnan(stats::risk_control_threshold(scores, right, 0.1)));
}

TEST(ConformalAbstentionTest, a_model_that_knows_nothing_is_made_to_abstain) {
  const auto model = test::tiny_model();
  const auto facts = test::tiny_facts();
  const auto& entry = Registry<AnalysisEntry>::get().at("analysis", "conformal-abstention");
  for (const char* promise : {"selective", "marginal"}) {
    const auto result =
        entry.run({*model, facts, world::prompt_style(), 1},
                  resolve_params(entry.card, {{"promise", promise}, {"splits", 5}, {"questions", 100}}));
    EXPECT_LT(result.table.at("mean_coverage").at("value").get<double>(), 0.2) << promise;
    EXPECT_EQ(result.table.at("questions").get<int>(), 100);
  }
}

}  // namespace
}  // namespace ken::readout::conformal_abstention_test_file
