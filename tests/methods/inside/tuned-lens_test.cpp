// The tuned lens as an analysis: closer than the logit lens, the same at the last layer, and used again from its file.
#include <gtest/gtest.h>

#include "ken/readout/analysis.h"
#include "ken/readout/lens.h"
#include "tests/fixtures.h"
#include "tests/passages.h"

namespace ken::readout::tuned_lens_test_file {
namespace {

AnalysisResult run(const model::Model& model, const data::FactSet& facts, const Json& params) {
  const auto& entry = Registry<AnalysisEntry>::get().at("analysis", "tuned-lens");
  return entry.run({model, facts, test::story_style(), 1}, resolve_params(entry.card, params));
}

TEST(TunedLensTest, it_is_closer_than_the_logit_lens_and_can_be_loaded) {
  KEN_FIXTURE(path, "models/stories260K/model.gguf");
  const auto model = model::load(path);
  const data::FactSet facts = test::story_facts();
  const Json params = {{"steps", 40}, {"tokens", 256}, {"judged", 512}, {"basis", 3}, {"basis_tokens", 64}};
  const auto result = run(*model, facts, params);
  const int64_t last = model->config.n_layers;
  const at::Tensor tuned = result.tensors.at("tuned"), plain = result.tensors.at("logit");  // [3, layers]
  EXPECT_TRUE(at::equal(tuned.select(1, last), plain.select(1, last)));
  EXPECT_LT(tuned[1].mean().item<double>(), 0.7 * plain[1].mean().item<double>());
  EXPECT_EQ(result.table["causal_basis"].size(), result.tensors.at("causal").size(0));
  Lens lens;
  for (int64_t l = 0; l < last; ++l) {
    lens.a.push_back(result.tensors.at(fmt::format("lens.{}.weight", l)));
    lens.b.push_back(result.tensors.at(fmt::format("lens.{}.bias", l)));
  }
  const fs::path file = test::scratch("tuned-lens") / "lens.safetensors";
  save(lens, file);
  const auto again = run(*model, facts, {{"lens", file.string()}, {"judged", 512}, {"basis", 0}});
  EXPECT_TRUE(at::equal(again.tensors.at("tuned"), tuned));
}

}  // namespace
}  // namespace ken::readout::tuned_lens_test_file
