#include "ken/base/error.h"
#include "ken/readout/analysis.h"
#include "tests/tiny.h"

#include <gtest/gtest.h>

namespace ken::uncertaintyrag_test_file {
namespace {

class UncertaintyRagTest : public ::testing::Test {
 protected:
  static readout::AnalysisResult run(const Json& given) {
    const auto model = test::tiny_model();
    const auto facts = test::tiny_facts();
    const auto& entry = Registry<readout::AnalysisEntry>::get().at("analysis", "uncertaintyrag");
    Json params{{"kind", "conflict"}, {"max_items", 40}, {"anchors", 10}, {"candidates", 6}, {"epochs", 2}, {"far", 2}};
    params.update(given);
    return entry.run({*model, facts, data::prompt_style(model->metadata), 3}, resolve_params(entry.card, params));
  }
  static double value(const Json& table, const char* how, const char* what) {
    return table.at(how).at(what).at("value").get<double>();
  }
};

TEST_F(UncertaintyRagTest, both_halves_are_judged_and_a_larger_budget_finds_no_less) {
  const Json table = run({{"k", 5}}).table;
  EXPECT_LE(table.at("anchors").get<int>(), 20);
  EXPECT_GT(table.at("sigma").at(0).get<double>(), 0);
  for (const char* how :
       {"trained", "untrained", "bm25", "trained on random pairs", "trained on mean log-probability"}) {
    for (const char* what : {"recall@1", "recall@5", "answers@1", "answers@5"})
      EXPECT_EQ(table.at(how).at(what).at("n"), table.at("questions")) << how << " " << what;
    EXPECT_LE(value(table, how, "recall@1"), value(table, how, "recall@5")) << how;
  }
  EXPECT_GT(value(table, "bm25", "recall@5"), 0.3);  // questions repeat their passage's names
}

TEST_F(UncertaintyRagTest, the_same_seed_gives_the_same_encoder_and_training_moves_it) {
  const auto a = run(Json::object()), b = run(Json::object());
  EXPECT_EQ(a.table, b.table);
  const at::Tensor& w = a.tensors.at("encoder.weight");
  EXPECT_TRUE(at::equal(w, b.tensors.at("encoder.weight")));
  EXPECT_GT((w - at::eye(w.size(0))).abs().max().item<double>(), 1e-4);
}

TEST_F(UncertaintyRagTest, too_few_passages_are_refused_by_kind) {
  try {
    run({{"kind", "no such kind"}});
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("no such kind"), std::string::npos);
  }
}

}  // namespace
}  // namespace ken::uncertaintyrag_test_file
