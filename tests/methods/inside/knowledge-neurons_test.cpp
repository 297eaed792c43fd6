// Knowledge neurons as an analysis: complete on a model, a score for every neuron, clear refusals.
#include <gtest/gtest.h>

#include "ken/base/error.h"
#include "ken/generate/generate.h"
#include "ken/readout/analysis.h"
#include "tests/tiny.h"

namespace ken::readout::knowledge_neurons_test_file {
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
  const auto& entry = Registry<AnalysisEntry>::get().at("analysis", "knowledge-neurons");
  return entry.run({model, set, world::prompt_style(), 1}, resolve_params(entry.card, params));
}

TEST(KnowledgeNeuronsTest, every_neuron_has_a_score_and_the_attribution_is_complete) {
  const auto model = test::tiny_model();
  const auto result = run(*model, answered(*model, world::prompt_style()), {{"top", 5}});
  EXPECT_EQ(result.tensors.at("neurons").sizes(), (at::IntArrayRef{2, 48}));
  EXPECT_LE(result.table.at("median_gap").get<double>(), 0.05);
  EXPECT_GT(result.table.at("drop_above_random").at("value").get<double>(), 0);
}

TEST(KnowledgeNeuronsTest, facts_that_nobody_knows_are_refused) {
  const auto model = test::tiny_model();
  data::FactSet set = answered(*model, world::prompt_style());
  for (auto& fact : set.facts) fact.answers = {"nothing of this kind"};
  EXPECT_THROW(run(*model, set, Json::object()), Error);
}

}  // namespace
}  // namespace ken::readout::knowledge_neurons_test_file
