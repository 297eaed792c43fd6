// sAwMIL as an analysis: planted kinds are found, labels at random are not, and what is missing is named.
#include <gtest/gtest.h>

#include "ken/base/error.h"
#include "ken/evidence/addition.h"
#include "ken/evidence/statements.h"
#include "ken/readout/analysis.h"
#include "ken/readout/bags.h"
#include "tests/tiny.h"

namespace ken::readout::sawmil_test_file {
namespace {

const AnalysisEntry& sawmil() { return Registry<AnalysisEntry>::get().at("analysis", "sawmil"); }

// A sentence's last word tells its kind.
class SawmilTest : public testing::Test {
 protected:
  void SetUp() override {
    model = test::tiny_model();
    style = world::prompt_style();
    const auto facts = test::tiny_facts();
    const std::vector<std::string> relations = {"birth_city", "birth_year", "job"}, last = {" yes", " no", " now"};
    for (const auto& fact : facts.facts)
      for (size_t k = 0; k < relations.size(); ++k) {
        if (fact.relation != relations[k]) continue;
        for (const std::string before : {"", " that is right ."}) {
          data::Claim claim{fact.id + before, "", fact.statement + before + last[k], k == 0, -1, fact.group, {}};
          if (k == 2) claim.extra = {{"kind", "neither"}};
          set.claims.push_back(claim);
        }
      }
  }
  AnalysisResult run(Json params) {
    params["max_statements"] = 144;
    return sawmil().run({*model, set, style, 1}, resolve_params(sawmil().card, params));
  }
  std::shared_ptr<model::Model> model;
  data::PromptStyle style;
  data::FactSet set;
};

TEST_F(SawmilTest, planted_kinds_are_found_and_random_labels_are_not) {
  const Json params = {{"labels", "given"}, {"signal", 1}};  // the last token alone tells
  const AnalysisResult result = run(params);
  const double found = result.table["accuracy"]["value"], random = result.table["validity"]["random_labels"]["value"];
  EXPECT_GT(found, 0.6);  // a third by chance
  EXPECT_GT(result.table["matthews"]["value"].get<double>(), 0.4);
  EXPECT_LT(random, found - 0.15);
  EXPECT_TRUE(result.table["validity"]["generalisation"].is_null());  // claims that name no relation
  EXPECT_GE(result.table["statements"].get<int>(), 90);
  EXPECT_EQ(result.table["layers"].size(), 2u);
  EXPECT_EQ(result.tensors.at("weight").sizes(), (at::IntArrayRef{2, 3, 32}));
  EXPECT_EQ(result.table.dump(), run(params).table.dump());
}

TEST_F(SawmilTest, the_judged_form_reads_the_question) {
  EXPECT_GT(run({{"labels", "given"}, {"form", "judged"}, {"signal", 4}}).table["accuracy"]["value"].get<double>(),
            0.6);
}

TEST_F(SawmilTest, a_kind_that_is_missing_is_named_with_the_remedy) {
  for (auto& claim : set.claims) claim.extra = Json::object();
  try {
    run({});
    FAIL() << "two kinds were accepted";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("neither"), std::string::npos) << error.what();
  }
  EXPECT_THROW(run({{"signal", 11}}), UsageError);
}

TEST_F(SawmilTest, statements_of_facts_give_what_is_true_and_false) {
  data::FactSet facts = test::tiny_facts();
  facts.claims = set.claims;
  std::erase_if(facts.claims, [](const auto& claim) { return !claim.extra.contains("kind"); });
  const auto all = evidence::statements({*model, facts, style, 1}, 120, false);
  ASSERT_EQ(all.size(), 120u);
  for (const auto& item : all) {
    EXPECT_EQ(item.value.empty(), item.kind == evidence::Kind::neither) << item.text;
    EXPECT_EQ(item.text.substr(0, item.beginning.size() + item.value.size()), item.beginning + item.value);
  }
  EXPECT_THROW(evidence::statements({*model, facts, style, 1}, 120, true), Error);  // a random model knows nothing
}

// A bag's positive token can be any; among the expected places only those count that stage 1 ranks high.
TEST(BagsTest, tokens_are_positive_where_rank_and_place_agree) {
  Bags bags{at::zeros({3, 4, 1}), at::ones({3, 4}, at::kBool), {1, 1, 0}, {"a", "b", "c"}};
  bags.values[0][0] = 5.0, bags.values[0][3] = 4.0;  // best in an expected place and elsewhere
  bags.values[1][1] = 3.0, bags.values[1][2] = 2.0;
  bags.values[2][0] = 9.0;  // of a negative bag
  const Svm first{at::ones({1}, at::kDouble), 0, 1, 0};
  EXPECT_EQ(token_labels(first, bags, {1, 1, 0}, 2), (std::vector<int>{1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0}));
  bags.valid[0][0] = false;
  EXPECT_EQ(token_labels(first, bags, {1, 1, 0}, 2), (std::vector<int>{0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0}));
  // none of the best in an expected place: the best count wherever they are
  Bags far{at::zeros({1, 4, 1}), at::ones({1, 4}, at::kBool), {1}, {"a"}};
  far.values[0][2] = 5.0, far.values[0][3] = 4.0;
  EXPECT_EQ(token_labels(first, far, {1}, 2), (std::vector<int>{0, 0, 1, 1}));
}

TEST(AdditionTest, an_offset_of_nothing_changes_nothing_and_the_unembedding_raises_its_token) {
  const auto model = test::tiny_model();
  const auto facts = test::tiny_facts();
  std::vector<evidence::OptionItem> items;
  for (size_t i = 0; i < 5; ++i)
    items.push_back({data::ask(world::prompt_style(), facts.facts[i].question), {" " + facts.facts[i].answers[0]}});
  const auto plain = evidence::score_options(*model, items, nn::Compute::f32);
  const std::string point = "blocks.1.hook_resid_post";
  const auto same = evidence::continuation_logprobs(*model, items, {point, at::zeros({32})}, nn::Compute::f32);
  for (size_t i = 0; i < items.size(); ++i) EXPECT_NEAR(same[i], plain[i][0].logprob, 1e-4);
  const auto cut = evidence::option_tokens(*model, items[0], "test");
  const at::Tensor row = nn::dense(model->output())[cut.options[0][0]];
  const auto up =
      evidence::continuation_logprobs(*model, {items[0]}, {point, 100 * row / row.norm()}, nn::Compute::f32);
  EXPECT_GT(up[0], same[0] + 1);
}

}  // namespace
}  // namespace ken::readout::sawmil_test_file
