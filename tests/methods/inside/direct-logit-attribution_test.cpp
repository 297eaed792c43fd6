// The parts add up to the logit difference on every shape: post-norms and caps, biases and learned positions, plain.
#include <gtest/gtest.h>

#include "ken/base/error.h"
#include "ken/readout/analysis.h"
#include "tests/fixtures.h"
#include "tests/passages.h"

namespace ken::readout::direct_logit_attribution_test_file {
namespace {

AnalysisResult run(const model::Model& model, const data::FactSet& facts, const Json& params) {
  const auto& entry = Registry<AnalysisEntry>::get().at("analysis", "direct-logit-attribution");
  return entry.run({model, facts, test::story_style(), 1}, resolve_params(entry.card, params));
}

TEST(DirectLogitAttributionTest, the_parts_add_up_on_every_shape) {
  for (const char* name : {"stories260K", "gemma2", "gpt2", "qwen3"}) {
    KEN_FIXTURE(path, std::string("models/") + name + "/model.gguf");
    const auto model = model::load(path);
    for (const char* items : {"questions", "passages"}) {
      const auto result = run(*model, test::story_facts(), {{"items", items}, {"max_items", 40}});
      const at::Tensor sum = result.tensors.at("contributions").sum(1), difference = result.tensors.at("difference");
      const double scale = result.tensors.at("contributions").abs().max().item<double>();
      EXPECT_GT(difference.abs().max().item<double>(), 0) << name;
      EXPECT_LT((sum - difference).abs().max().item<double>(), 1e-3 * std::max(1.0, scale)) << name << " " << items;
      EXPECT_EQ(result.tensors.at("heads").size(2), model->config.n_heads) << name;
    }
  }
}

TEST(DirectLogitAttributionTest, no_passages_is_an_error) {
  KEN_FIXTURE(path, "models/stories260K/model.gguf");
  const auto model = model::load(path);
  data::FactSet facts = test::story_facts();
  facts.contexts.clear();
  EXPECT_THROW(run(*model, facts, {{"items", "passages"}}), Error);
}

}  // namespace
}  // namespace ken::readout::direct_logit_attribution_test_file
