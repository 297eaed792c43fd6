#include <gtest/gtest.h>

#include "ken/base/error.h"
#include "ken/generate/generate.h"
#include "ken/readout/analysis.h"
#include "ken/readout/lever.h"
#include "tests/fixtures.h"
#include "tests/tiny.h"

namespace ken::generate::conditional_beam_test_file {
namespace {

std::vector<Generated> searched(const model::Model& model, const Json& params, int64_t beams) {
  Request request{.prompt = {"where was the person born ?"}, .max_tokens = 6, .samples = beams};
  request.controls = {control_from("conditional-beam", params)};
  GenerateOptions options;
  options.compute = nn::Compute::f32;
  return generate(model, {request}, options)[0];
}

double total(const Generated& text) {
  double sum = 0;
  for (const double l : text.logprobs) sum += l;
  return sum;
}

TEST(ConditionalBeamTest, without_a_file_it_is_beam_search) {
  const auto model = test::tiny_model();
  const auto one = searched(*model, Json::object(), 1), four = searched(*model, Json::object(), 4);
  ASSERT_EQ(four.size(), 4u);
  EXPECT_GE(total(four[0]), total(one[0]) - 1e-9);
  for (size_t i = 0; i < 4; ++i) EXPECT_NEAR(four[i].score, total(four[i]), 1e-4);
  for (size_t i = 1; i < 4; ++i) EXPECT_GE(four[i - 1].score, four[i].score);
}

TEST(ConditionalBeamTest, what_is_fitted_ranks_the_beams) {
  const auto model = test::tiny_model();
  const auto facts = test::tiny_facts();
  const auto& entry = Registry<readout::AnalysisEntry>::get().at("analysis", "conditional-beam");
  readout::AnalysisInput input{*model, facts, data::prompt_style(model->metadata), 1};
  const Json params = resolve_params(
      entry.card, {{"attribute", "distinct"}, {"n", 1}, {"length", 24}, {"prompts", 40}, {"samples", 2}});
  const auto fit = entry.run(input, params);
  ASSERT_FALSE(fit.lever.is_null());
  const auto file = test::scratch("conditional-beam") / "distinct.safetensors";
  readout::save(readout::Lever{"conditional-beam", "", fit.lever, fit.tensors}, file);
  const auto plain = searched(*model, Json::object(), 3),
             weightless = searched(*model, {{"file", file.string()}, {"weight", 0}}, 3),
             steered = searched(*model, {{"file", file.string()}, {"weight", 100}}, 3);
  for (size_t i = 0; i < 3; ++i) EXPECT_EQ(weightless[i].tokens, plain[i].tokens);
  EXPECT_LT(steered[0].score, plain[0].score);  // log q is never above 0
  EXPECT_TRUE(steered[0].notes.contains("log-q"));
  const auto other = train::new_organism(
      world::World(test::tiny_world()),
      {.layers = 2, .d_model = 48, .heads = 4, .kv_heads = 2, .d_ff = 48, .context = 128}, 1, "other");
  EXPECT_THROW(searched(*other, {{"file", file.string()}}, 2), Error);
}

}  // namespace
}  // namespace ken::generate::conditional_beam_test_file
