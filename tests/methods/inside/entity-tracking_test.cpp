// Entity tracking on a model that knows nothing: the parts are measured on held-out passages and compare as they must.
#include <gtest/gtest.h>

#include "ken/base/error.h"
#include "ken/readout/analysis.h"
#include "tests/tiny.h"

namespace ken::readout::entity_tracking_test_file {
namespace {

AnalysisResult run(const model::Model& model, const data::FactSet& facts, const Json& params) {
  const auto& entry = Registry<AnalysisEntry>::get().at("analysis", "entity-tracking");
  return entry.run({model, facts, world::prompt_style(), 1}, resolve_params(entry.card, params));
}

TEST(EntityTrackingTest, groups_circuit_and_masks_are_judged_with_their_controls) {
  const auto model = test::tiny_model();
  const auto result =
      run(*model, test::tiny_facts(), {{"items", 80}, {"sentences", 2}, {"share", 0.25}, {"epochs", 1}});
  const Json& t = result.table;
  ASSERT_EQ(t["groups"].size(), 5u);
  EXPECT_EQ(t["groups"][0]["heads"].size(), 2u);  // a quarter of eight heads
  EXPECT_LE(t["circuit_heads"].get<int>(), 8);
  for (const char* key : {"model", "circuit"}) EXPECT_EQ(t["faithfulness"][key]["n"], t["items"].get<int>() / 2);
  for (const char* key : {"place", "value", "label"}) EXPECT_TRUE(t[key].contains("random_heads")) << key;
  EXPECT_FALSE(t.contains("other"));
}

TEST(EntityTrackingTest, a_larger_share_gives_a_larger_circuit_and_another_model_must_have_its_shape) {
  const auto model = test::tiny_model();
  const Json small{{"items", 80}, {"sentences", 2}, {"share", 0.1}, {"epochs", 1}};
  Json large = small, other = small;
  large["share"] = 1.0;
  other["other"] = "almanac-tinyy";
  EXPECT_GT(run(*model, test::tiny_facts(), large).table["circuit_heads"].get<int>(),
            run(*model, test::tiny_facts(), small).table["circuit_heads"].get<int>());
  EXPECT_THROW(run(*model, test::tiny_facts(), other), UsageError);
}

TEST(EntityTrackingTest, facts_without_statements_are_refused_with_what_is_missing) {
  const auto model = test::tiny_model();
  data::FactSet facts = test::tiny_facts();
  for (auto& fact : facts.facts) fact.statement.clear();
  try {
    run(*model, facts, Json::object());
    FAIL() << "facts without statements make no passage";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("statements"), std::string::npos) << error.what();
  }
}

}  // namespace
}  // namespace ken::readout::entity_tracking_test_file
