// Integrated gradients as an analysis: complete on a model, the shape of its result, clear refusals.
#include <gtest/gtest.h>

#include "ken/base/error.h"
#include "ken/generate/generate.h"
#include "ken/readout/analysis.h"
#include "tests/tiny.h"

namespace ken::readout::integrated_gradients_test_file {
namespace {

// What is right is what the model happens to answer.
data::FactSet answered(const model::Model& model, const data::PromptStyle& style) {
  data::FactSet set = test::tiny_facts();
  set.facts.resize(8);
  std::vector<generate::Request> requests;
  for (const auto& fact : set.facts) requests.push_back(evidence::closed_book(fact, style));
  const auto answers = evidence::greedy_answers(model, requests, nn::Compute::f32);
  for (size_t i = 0; i < set.facts.size(); ++i) set.facts[i].answers = {answers[i].text};
  return set;
}

AnalysisResult run(const model::Model& model, const data::FactSet& set, const Json& params) {
  const auto& entry = Registry<AnalysisEntry>::get().at("analysis", "integrated-gradients");
  return entry.run({model, set, world::prompt_style(), 1}, resolve_params(entry.card, params));
}

TEST(IntegratedGradientsTest, a_result_has_a_score_for_every_token_and_says_how_complete_it_is) {
  const auto model = test::tiny_model();
  const auto set = answered(*model, world::prompt_style());
  const auto result = run(*model, set, {{"most_steps", 1024}});
  const auto& complete = result.table.at("completeness");
  EXPECT_LE(complete.at("median_gap").get<double>(), 0.05);
  EXPECT_EQ(result.tensors.at("offsets").numel(), result.table.at("items").get<int64_t>() + 1);
  EXPECT_EQ(result.tensors.at("scores").size(0), result.tensors.at("offsets").max().item<int64_t>());
  const auto one_point = run(*model, set, {{"rule", "gradient-x-input"}});
  EXPECT_GT(one_point.table.at("completeness").at("median_gap").get<double>(), complete.at("median_gap").get<double>());
}

TEST(IntegratedGradientsTest, facts_that_nobody_knows_are_refused) {
  const auto model = test::tiny_model();
  data::FactSet set = answered(*model, world::prompt_style());
  for (auto& fact : set.facts) fact.answers = {"nothing of this kind"};
  EXPECT_THROW(run(*model, set, Json::object()), Error);
}

}  // namespace
}  // namespace ken::readout::integrated_gradients_test_file
