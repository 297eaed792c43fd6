#include <gtest/gtest.h>

#include "ken/readout/analysis.h"
#include "tests/tiny.h"

namespace ken::readout::calibration_test_file {
namespace {

// Answers that an untrained model gives by its own greedy choice count as right for some facts: half of the facts get
// theirs as the accepted answer, so that there are two classes.
TEST(CalibrationAnalysisTest, every_calibrator_is_judged_on_all_items) {
  const auto model = test::tiny_model();
  auto facts = test::tiny_facts();
  std::vector<generate::Request> requests;
  for (const auto& fact : facts.facts) requests.push_back(evidence::closed_book(fact, world::prompt_style()));
  const auto answers = evidence::greedy_answers(*model, requests, nn::Compute::f32);
  for (size_t i = 0; i < facts.facts.size(); i += 2) facts.facts[i].answers = {answers[i].text};
  const auto& entry = Registry<AnalysisEntry>::get().at("analysis", "calibration");
  const auto table =
      entry.run({*model, facts, world::prompt_style(), 1}, resolve_params(entry.card, {{"well_known", 1}})).table;
  const auto n = int64_t(facts.facts.size());
  for (const char* method : {"temperature", "platt", "isotonic", "histogram"}) {
    const Json& figures = table.at("calibrated").at(method);
    EXPECT_EQ(figures.at("ece").at("n").get<int64_t>(), n) << method;
    // one parameter cannot mend the mean of an untrained model's probabilities
    if (std::string(method) == "temperature") continue;
    EXPECT_NEAR(figures.at("mean_confidence").at("value").get<double>(), 0.5, 0.1) << method;
  }
  const auto margin = entry.run({*model, facts, world::prompt_style(), 1},
                                resolve_params(entry.card, {{"estimator", "token-entropy"}, {"well_known", 1}}));
  EXPECT_TRUE(margin.table.at("raw").is_null());  // an entropy is no probability
  EXPECT_FALSE(margin.table.at("calibrated").contains("temperature"));
}

}  // namespace
}  // namespace ken::readout::calibration_test_file
