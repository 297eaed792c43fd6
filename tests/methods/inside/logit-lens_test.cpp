// The logit lens: what the model is about to say is the last layer's likeliest token, tables have their shapes.
#include <gtest/gtest.h>

#include "ken/base/error.h"
#include "ken/evidence/asking.h"
#include "ken/readout/analysis.h"
#include "ken/stats/stats.h"
#include "tests/fixtures.h"
#include "tests/passages.h"

namespace ken::readout::logit_lens_test_file {
namespace {

AnalysisResult run(const model::Model& model, const data::FactSet& facts, const Json& params) {
  const auto& entry = Registry<AnalysisEntry>::get().at("analysis", "logit-lens");
  return entry.run({model, facts, test::story_style(), 1}, resolve_params(entry.card, params));
}

TEST(LogitLensTest, an_answer_that_the_model_gives_is_the_likeliest_token_of_the_last_layer) {
  KEN_FIXTURE(path, "models/stories260K/model.gguf");
  const auto model = model::load(path);
  data::FactSet facts = test::story_facts();
  facts.facts.resize(30);
  for (size_t i = 0; i < facts.facts.size(); i += 2) {  // every second fact is what the model says
    const auto request = evidence::closed_book(facts.facts[i], test::story_style());
    facts.facts[i].answers = {evidence::greedy_answers(*model, {request}, nn::Compute::f32)[0].text};
  }
  const auto result = run(*model, facts, {{"examples", 1}});
  const int64_t layers = model->config.n_layers + 1, n = result.table["items"];
  EXPECT_EQ(result.tensors.at("rank").sizes(), (at::IntArrayRef{n, layers, 3}));
  const at::Tensor rank = result.tensors.at("rank").select(2, 2), known = result.tensors.at("known");
  ASSERT_GT(known.sum().item<int64_t>(), 5);
  ASSERT_LT(known.sum().item<int64_t>(), n);
  const at::Tensor last = rank.select(1, layers - 1);
  EXPECT_EQ(last.masked_select(known == 1).max().item<double>(), 0);
  EXPECT_GT(last.masked_select(known == 0).max().item<double>(), 0);
  EXPECT_EQ(result.tensors.at("kl").select(1, layers - 1).abs().max().item<double>(), 0);
  EXPECT_EQ(result.table["examples"][0]["layers"].size(), size_t(layers));
  const at::Tensor settled = result.tensors.at("settled"), best = result.tensors.at("best").select(2, 2);
  for (int64_t i = 0; i < n; ++i)
    for (int64_t l = settled[i].item<int64_t>(); l < layers; ++l)
      EXPECT_EQ(best[i][l].item<int64_t>(), best[i][layers - 1].item<int64_t>());
}

TEST(LogitLensTest, a_missing_lens_and_too_few_facts_are_errors) {
  KEN_FIXTURE(path, "models/stories260K/model.gguf");
  const auto model = model::load(path);
  EXPECT_THROW(run(*model, test::story_facts(), {{"lens", "/nowhere/lens.safetensors"}}), Error);
  EXPECT_THROW(run(*model, {}, Json::object()), Error);
}

}  // namespace
}  // namespace ken::readout::logit_lens_test_file
