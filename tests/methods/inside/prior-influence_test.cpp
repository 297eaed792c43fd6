// Prior influence: tuning a few layers teaches copying, the given model stays as it is, too few passages are refused.
#include <gtest/gtest.h>

#include "ken/base/error.h"
#include "ken/readout/analysis.h"
#include "tests/fixtures.h"
#include "tests/passages.h"

namespace ken::readout::prior_influence_test_file {
namespace {

AnalysisResult run(const model::Model& model, const data::FactSet& facts, const Json& params) {
  const auto& entry = Registry<AnalysisEntry>::get().at("analysis", "prior-influence");
  return entry.run({model, facts, test::story_style(), 1}, resolve_params(entry.card, params));
}

TEST(PriorInfluenceTest, tuning_teaches_to_copy_and_leaves_the_given_model_alone) {
  KEN_FIXTURE(path, "models/stories260K/model.gguf");
  const auto model = model::load(path);
  const auto logits = [&] {
    const at::NoGradGuard plain;
    return model::forward(*model, model::pack({{{1, 5, 9, 3}}}, model->config.vocab), {}).logits;
  };
  const at::Tensor before = logits();
  const auto result = run(*model, test::story_facts(),
                          {{"lens_steps", 2}, {"epochs", 12}, {"rate", 0.01}, {"side_items", 10}, {"share", 0.4}});
  EXPECT_TRUE(at::equal(logits(), before));
  const auto accuracy = [&](const char* name) { return result.tensors.at(name)[0].item<double>(); };
  EXPECT_GT(accuracy("tuned"), accuracy("plain") + 0.2);
  EXPECT_EQ(result.tensors.at("correlation").size(0), model->config.n_layers + 1);
  for (const Json& layer : result.table["blocks"])
    EXPECT_EQ(std::count(result.table["random_blocks"].begin(), result.table["random_blocks"].end(), layer), 0);
  for (const char* name : {"instruction", "scaled", "scaled_random_layers", "tuned_random_layers"})
    EXPECT_EQ(result.tensors.at(name).size(0), 6) << name;
}

TEST(PriorInfluenceTest, too_few_passages_are_an_error_that_says_so) {
  KEN_FIXTURE(path, "models/stories260K/model.gguf");
  const auto model = model::load(path);
  data::FactSet facts = test::story_facts();
  facts.contexts.resize(60);
  try {
    run(*model, facts, Json::object());
    FAIL() << "20 passages were accepted";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("passages"), std::string::npos) << error.what();
  }
}

}  // namespace
}  // namespace ken::readout::prior_influence_test_file
