// The analysis trains on one part of the texts and judges on the other; more features a row explain more.
#include <gtest/gtest.h>

#include "ken/base/error.h"
#include "ken/readout/analysis.h"
#include "tests/tiny.h"

namespace ken::readout::sae_test_file {
namespace {

AnalysisResult run(const Json& params) {
  static const auto model = test::tiny_model();
  static const auto facts = test::tiny_facts();
  const auto& entry = Registry<AnalysisEntry>::get().at("analysis", "sae");
  Json all{{"width", 4}, {"tokens", 12800}, {"batch", 64}, {"dead_after", 2000}, {"rows", 1500}, {"lr", 0.003}};
  all.update(params);
  return entry.run({*model, facts, world::prompt_style(), 1}, resolve_params(entry.card, all));
}

double value(const AnalysisResult& result, const char* name) {
  return result.table.at("evaluation").at(name).at("value").get<double>();
}

TEST(InsideSaeTest, explains_more_with_more_active_features) {
  const auto few = run({{"k", 2}}), many = run({{"k", 12}});
  EXPECT_GT(value(many, "explained_variance"), value(few, "explained_variance") + 0.1);
  EXPECT_GT(value(many, "explained_variance"), 0.5);
  EXPECT_LT(value(few, "l0"), 4);
  EXPECT_GT(value(many, "l0"), 6);
  EXPECT_EQ(many.tensors.at("W_enc").sizes(), at::IntArrayRef({32, 128}));
  EXPECT_EQ(many.tensors.at("density").size(0), 128);
}

TEST(InsideSaeTest, depth_names_the_layer_and_every_kind_runs) {
  EXPECT_EQ(run({{"depth", 0.0}}).table.at("point"), "blocks.0.hook_resid_post");
  EXPECT_EQ(run({{"depth", 1.0}}).table.at("point"), "blocks.1.hook_resid_post");
  for (const char* kind : {"relu", "topk", "jumprelu"}) {
    const auto result = run({{"kind", kind}, {"k", 8}});
    EXPECT_EQ(result.table.at("kind"), kind);
    EXPECT_GT(value(result, "explained_variance"), 0.3) << kind;
  }
}

TEST(InsideSaeTest, the_same_seed_gives_the_same_dictionary) {
  EXPECT_TRUE(at::equal(run({{"tokens", 1000}}).tensors.at("W_dec"), run({{"tokens", 1000}}).tensors.at("W_dec")));
}

TEST(InsideSaeTest, refuses_what_cannot_be_trained) {
  EXPECT_THROW(run({{"k", 1000}}), UsageError);  // of 128 features
  EXPECT_THROW(run({{"kind", "gated"}}), UsageError);
}

}  // namespace
}  // namespace ken::readout::sae_test_file
