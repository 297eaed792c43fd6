// Hidden knowledge on a fixture whose right answers are what it says, and on golds that it never says.
#include <gtest/gtest.h>

#include "ken/base/error.h"
#include "ken/evidence/candidates.h"
#include "ken/readout/analysis.h"
#include "tests/fixtures.h"

namespace ken::readout::inside_out_test_file {
namespace {

const AnalysisEntry& inside_out() { return Registry<AnalysisEntry>::get().at("analysis", "inside-out"); }

// What the model says greedily is right.
class InsideOutTest : public testing::Test {
 protected:
  void SetUp() override {
    const auto path = test::fixture("models/stories260K/model.gguf");
    if (!path) {
      if (test::fixtures_required()) FAIL() << "fixture models/stories260K is missing; set KEN_FIXTURES";
      GTEST_SKIP() << "fixture models/stories260K not found; set KEN_FIXTURES to the fixtures folder";
    }
    model = model::load(*path);
    style.question = "{question} She";
    style.stop = {"."};
    style.max_tokens = 4;
    for (const char* girl : {"Lily", "Mia", "Anna", "Sue", "Lucy", "Amy"})
      for (const char* thing : {"ball", "dog", "cat", "bird", "car", "tree", "hat", "book", "cake", "fish"}) {
        data::Fact fact;
        fact.id = fact.group = std::string(girl) + "." + thing;
        fact.subject = girl;
        fact.relation = girl;
        fact.question = std::string(girl) + " saw a big " + thing + ".";
        fact.variants = {{"paraphrase", std::string(girl) + " had a big " + thing + ".", {}}};
        set.facts.push_back(fact);
      }
    std::vector<generate::Request> requests;
    for (const auto& fact : set.facts) requests.push_back(evidence::closed_book(fact, style));
    const auto said = evidence::greedy_answers(*model, requests, nn::Compute::f32);
    for (size_t i = 0; i < set.facts.size(); ++i) set.facts[i].answers = {said[i].text};
  }
  AnalysisResult run(Json params = Json::object()) {
    Json all{{"samples", 12}, {"wrong_temperature", 1.5}};
    all.update(params);
    return inside_out().run({*model, set, style, 1}, resolve_params(inside_out().card, all));
  }
  static double k(const AnalysisResult& result, const char* scorer) {
    return result.table.at("all").at("K").at(scorer).at("value").get<double>();
  }
  std::shared_ptr<model::Model> model;
  data::PromptStyle style;
  data::FactSet set;
};

TEST_F(InsideOutTest, what_the_model_says_itself_is_known_by_probabilities_and_probe) {
  const AnalysisResult result = run();
  const Json& all = result.table.at("all");
  EXPECT_GT(all.at("n").get<int>(), 15);
  EXPECT_GT(k(result, "P(a|q)"), 0.6);  // the greedy answer is among the likeliest
  EXPECT_GT(k(result, "probe"), 0.6);   // right answers share their words, which a state tells
  EXPECT_EQ(all.at("accuracy").at("greedy").at("value"), 1.0);
  EXPECT_EQ(all.at("accuracy").at("oracle").at("value"), 1.0);
  EXPECT_EQ(all.at("never_given"), 0);
  EXPECT_EQ(result.table.at("by").size(), 6u);  // the relations
  const at::Tensor table = result.tensors.at("k");
  EXPECT_EQ(table.sizes(), (at::IntArrayRef{all.at("n").get<int64_t>(), 5}));
  EXPECT_NEAR(table.select(1, 3).mean().item<double>(), k(result, "probe"), 1e-6);
  EXPECT_GE(all.at("K*").at("probe").at("n").get<int>(), 15);
}

// Judged are questions whose gold is a word that the model never says; trained on are its own sayings. The output is
// wrong of them all, so K of the probabilities is near 0, nothing right was given, and choosing needs the gold.
TEST_F(InsideOutTest, a_gold_that_is_never_said_is_counted) {
  for (size_t i = 0; i < set.facts.size(); ++i) {
    set.facts[i].extra["odd"] = i % 3 == 0;
    if (i % 3 == 0) set.facts[i].answers = {"xq zj"};
  }
  const AnalysisResult result = run({{"judge", "odd"}, {"by", "odd"}});
  const Json& all = result.table.at("all");
  EXPECT_EQ(all.at("n"), 20);
  EXPECT_EQ(all.at("never_given"), 20);
  EXPECT_LT(k(result, "P(a|q)"), 0.05);
  EXPECT_EQ(all.at("accuracy").at("oracle").at("value"), 0.0);
  EXPECT_EQ(result.table.at("by").size(), 1u);
  EXPECT_EQ(result.table.at("by").at("true").at("n"), 20);
}

TEST_F(InsideOutTest, paraphrases_are_averaged) {
  const AnalysisResult both = run(), own = run({{"paraphrases", "none"}});
  EXPECT_EQ(both.table.at("all").at("n"), own.table.at("all").at("n"));
  EXPECT_NE(k(both, "P(a|q)"), k(own, "P(a|q)"));
}

TEST_F(InsideOutTest, runs_repeat) { EXPECT_EQ(run().table.dump(), run().table.dump()); }

TEST_F(InsideOutTest, facts_that_the_model_does_not_know_are_an_error_that_says_so) {
  for (auto& fact : set.facts) fact.answers = {"xq zj"};
  try {
    run();
    FAIL() << "no known fact was accepted";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("20 are needed"), std::string::npos) << error.what();
  }
}

}  // namespace
}  // namespace ken::readout::inside_out_test_file
