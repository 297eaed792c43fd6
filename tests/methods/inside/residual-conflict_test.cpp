// Conflict probes at the last token: a planted conflict is found, the shape statistics are what their formulas say, and
// facts that cannot serve are refused.
#include "ken/base/error.h"
#include "tests/methods/inside/story_facts.h"

namespace ken::residual_conflict_test_file {
namespace {

class ResidualConflictTest : public test::StoryFacts {
 protected:
  // Every answer is right, so all facts are known; a conflict stands in the passage's value.
  void known_facts(size_t count) {
    add_facts(count);
    for (size_t i = 0; i < set.facts.size(); ++i) set.facts[i].answers = {greedy[i]};
    add_passages(true);
  }
  Json quick() { return {{"repeats", 2}, {"epochs", 60}, {"rate", 0.02}, {"standardise", true}}; }
};

TEST_F(ResidualConflictTest, a_planted_conflict_is_read_at_the_value_and_at_the_last_token) {
  known_facts(10);
  add_passages(false);
  const Json table = run("residual-conflict", quick()).table, conflict = table["conflict"];
  EXPECT_EQ(conflict["n"], 120);
  EXPECT_EQ(conflict["positives"], 60);
  EXPECT_GT(conflict["embedding"]["auroc"]["value"].get<double>(), 0.99);  // "sun" against "red"
  EXPECT_EQ(conflict["layers"]["hidden"].size(), size_t(model->config.n_layers));
  EXPECT_GT(conflict["mid"]["hidden"]["auroc"]["value"].get<double>(), 0.9);  // one word of seven differs
  EXPECT_TRUE(table["source"].is_null());                                     // it answers neither
}

TEST_F(ResidualConflictTest, without_a_difference_nothing_is_read) {
  known_facts(10);
  for (auto& item : set.contexts) item.context_answers = {"It"}, item.answers = {"It"};
  const Json conflict = run("residual-conflict", quick()).table["conflict"];
  // Both passages of a pair are the same text.
  EXPECT_NEAR(conflict["mid"]["hidden"]["auroc"]["value"].get<double>(), 0.5, 0.02);
}

TEST_F(ResidualConflictTest, without_an_agreeing_passage_the_conflict_is_put_right) {
  known_facts(10);
  for (auto& item : set.contexts) item.answers = {"sun"};
  const Json conflict = run("residual-conflict", quick()).table["conflict"];
  EXPECT_EQ(conflict["positives"], 60);
  EXPECT_GT(conflict["embedding"]["auroc"]["value"].get<double>(), 0.99);
}

// Answers that begin with a letter before "m" count as the passage's, the others as memory's.
TEST_F(ResidualConflictTest, the_source_and_the_shape_of_states_are_reported_where_both_sources_are_followed) {
  known_facts(20);
  std::vector<generate::Request> requests;
  for (const auto& item : set.contexts) requests.push_back(evidence::with_passage(item, style));
  const auto answers = evidence::greedy_answers(*model, requests, nn::Compute::f32);
  for (size_t i = 0; i < set.contexts.size(); ++i) {
    set.facts[i].relation = i % 20 < 10 ? "first" : "second";
    // What the model says either stands in the passage or is the fact's answer.
    if (set.facts[i].subject < "M") {
      set.contexts[i].context_answers = {"red", answers[i].text};
    } else {
      set.facts[i].answers.push_back(answers[i].text);
    }
  }
  const Json table = run("residual-conflict", quick()).table;
  ASSERT_FALSE(table["source"].is_null());
  EXPECT_EQ(table["source"]["n"], 120);
  EXPECT_EQ(table["source"]["positives"], 80);
  EXPECT_EQ(table["source"]["folds"], "relations");
  EXPECT_GT(table["source"]["mid"]["hidden"]["auroc_by_fold"]["value"].get<double>(), 0.9);  // the name tells
  for (const auto& [name, layers] : table["shape"].items()) {
    ASSERT_EQ(layers.size(), size_t(model->config.n_layers));
    for (const Json& layer : layers) {
      const double value = layer["context"]["value"];
      EXPECT_GT(value, 0) << name;
      if (name == "hoyer" || name == "gini") {
        EXPECT_LT(value, 1) << name;
      } else if (name == "kurtosis") {
        EXPECT_GT(value, 1);
      }
    }
  }
  const Json& last = table["shape"];
  EXPECT_GT(last["l1"][0]["context"]["value"].get<double>(), last["l2"][0]["context"]["value"].get<double>());
}

TEST_F(ResidualConflictTest, facts_without_passages_or_knowledge_are_refused) {
  add_facts(10);
  for (auto& fact : set.facts) fact.answers = {"nothing of this kind"};
  EXPECT_THROW(run("residual-conflict", quick()), Error);
  add_passages(true);
  EXPECT_THROW(run("residual-conflict", quick()), Error);
  Json unknown = quick();
  unknown["facts"] = "unknown";
  EXPECT_EQ(run("residual-conflict", unknown).table["conflict"]["positives"], 60);
}

}  // namespace
}  // namespace ken::residual_conflict_test_file
