// Chain-of-Probe: steps, sound chains, curves and trees by hand; on a small model the table keeps its own laws.
#include <gtest/gtest.h>

#include "ken/base/error.h"
#include "ken/evidence/chains.h"
#include "ken/readout/tree.h"
#include "tests/methods/inside/story_facts.h"
#include "tests/tiny.h"

namespace ken::chain_of_probe_test_file {
namespace {

using Texts = std::vector<std::string>;

TEST(ChainsTest, a_chain_ends_its_steps_at_words_sentences_or_lines) {
  EXPECT_EQ(evidence::step_ends("Acme  Oslo Norway", "words"), (Texts{"Acme", "Acme  Oslo", "Acme  Oslo Norway"}));
  EXPECT_EQ(evidence::step_ends("He works. At 3.5 Oslo!\nSo", "sentences"),
            (Texts{"He works.", "He works. At 3.5 Oslo!", "He works. At 3.5 Oslo!\nSo"}));
  EXPECT_EQ(evidence::step_ends("one. two\n\nthree\n", "lines"), (Texts{"one. two", "one. two\n\nthree"}));
  EXPECT_TRUE(evidence::step_ends(" \n", "lines").empty());
}

TEST(ChainsTest, a_sound_chain_makes_the_right_steps_in_their_order) {
  const evidence::StepTruth truth = {{"Acme"}, {"Oslo", "Christiania"}, {"Norway"}};
  EXPECT_TRUE(evidence::sound_chain("Acme Christiania Norway", truth, "words"));
  EXPECT_FALSE(evidence::sound_chain("Oslo Acme Norway", truth, "words"));
  EXPECT_FALSE(evidence::sound_chain("Acme Oslo", truth, "words"));
  EXPECT_FALSE(evidence::sound_chain("Acme Oslo Norway Norway", truth, "words"));
  EXPECT_TRUE(evidence::sound_chain("She is at Acme.\nIts seat is Oslo, in Norway.", truth, "lines"));
  EXPECT_FALSE(evidence::sound_chain("Oslo is in Norway.\nShe is at Acme.", truth, "lines"));
  EXPECT_FALSE(evidence::sound_chain("", truth, "lines"));
}

TEST(ChainsTest, the_truth_of_the_steps_is_the_facts_that_hops_name) {
  data::FactSet set;
  set.facts.resize(3);
  set.facts[0].id = "ada.firm", set.facts[0].answers = {"Acme"};
  set.facts[1].id = "seat.Acme", set.facts[1].answers = {"Oslo"};
  set.facts[2].id = "ada.city", set.facts[2].answers = {"oslo"};
  set.facts[2].extra["hops"] = {"ada.firm", "seat.Acme"};
  EXPECT_EQ(evidence::step_truth(set, set.facts[0]), (evidence::StepTruth{{"Acme"}}));
  EXPECT_EQ(evidence::step_truth(set, set.facts[2]), (evidence::StepTruth{{"Acme"}, {"Oslo"}}));
  set.facts[2].answers = {"Norway"};  // the last hop is not the answer yet
  EXPECT_EQ(evidence::step_truth(set, set.facts[2]).size(), 3u);
  set.facts[2].extra["hops"] = {"nobody"};
  EXPECT_THROW(evidence::step_truth(set, set.facts[2]), Error);
}

TEST(ChainsTest, a_curve_counts_its_switches_and_where_it_settles) {
  const evidence::Curve flat{{2, 2, 2}, {0.4, 0.3, 0.9}}, turning{{1, 2, 1, 1}, {0.5, 0.6, 0.7, 0.8}}, none{{1}, {0.5}};
  EXPECT_TRUE(flat.early());
  EXPECT_EQ(flat.switches(), 0u);
  EXPECT_EQ(flat.settled(), 0u);
  EXPECT_EQ(flat.least(), 0.3);
  EXPECT_TRUE(turning.early());
  EXPECT_EQ(turning.switches(), 2u);
  EXPECT_EQ(turning.settled(), 2u);
  EXPECT_EQ(none.steps(), 0u);
  EXPECT_EQ(none.switches(), 0u);
}

TEST(TreeTest, two_levels_find_what_takes_two_features_and_leaves_hold_shares) {
  std::vector<std::vector<double>> rows;
  std::vector<int> labels;
  for (int i = 0; i < 40; ++i) {
    const double a = i % 2, b = i / 20;
    rows.push_back({0.5, a, b});
    labels.push_back(a == 1 && b == 1);
  }
  const auto tree = readout::Tree::fit(rows, labels, 2, 1);
  EXPECT_EQ(tree(std::vector<double>{0.5, 1, 1}), 1);
  EXPECT_EQ(tree(std::vector<double>{0.5, 0, 1}), 0);
  EXPECT_EQ(tree(std::vector<double>{0.5, 1, 0}), 0);
  EXPECT_EQ(readout::Tree::fit(rows, labels, 0, 1)(rows[0]), 0.25);  // a stump without a split
  EXPECT_EQ(readout::Tree::fit(rows, labels, 1, 1)(std::vector<double>{0.5, 1, 1}), 0.5);
  EXPECT_EQ(readout::Tree::fit(rows, labels, 5, 30)(rows[0]), 0.25);  // no leaf of 30 beside another
  EXPECT_THROW(readout::Tree::fit({}, {}, 3, 1), Error);
  EXPECT_THROW(readout::Tree::fit({{1}, {1, 2}}, std::vector<int>{0, 1}, 3, 1), Error);
}

class ChainOfProbeTest : public test::StoryFacts {
 protected:
  // Half of the answers are what the chain itself says first.
  void plant() {
    add_facts(12);
    for (size_t i = 0; i < set.facts.size(); ++i) {
      auto& fact = set.facts[i];
      fact.relation = "did", fact.answers = {i % 2 ? "went" : "was"};
    }
  }
  Json params() {
    return {{"opening", "{question} She"},
            {"cue", " She"},
            {"steps", "words"},
            {"max_tokens", 6},
            {"chains", 3},
            {"folds", 3},
            {"max_items", 60}};
  }
};

TEST_F(ChainOfProbeTest, no_choice_is_sounder_than_the_oracle_and_shares_are_shares) {
  plant();
  // Chains count as sound where they hold the answer; lines do not ask for the words alone.
  Json lines = params();
  lines["steps"] = "sentences", lines["cue"] = "\n", lines["max_tokens"] = 24;
  for (size_t i = 0; i < set.facts.size(); ++i) set.facts[i].answers = {i % 3 == 0 ? "was" : i % 3 == 1 ? "to" : "and"};
  const Json one = run("chain-of-probe", lines).table["by_steps"]["1"];
  EXPECT_EQ(one["greedy"]["n"], 60);
  const double oracle = one["selection"]["oracle"]["sound"];
  for (const char* way : {"first", "random", "majority", "score", "fitted", "tree"}) {
    EXPECT_LE(one["selection"][way]["sound"].get<double>(), oracle + 1e-9) << way;
    EXPECT_GE(one["selection"][way]["right"].get<double>(), 0) << way;
  }
  const double early = one["greedy"]["early"]["value"], settled = one["greedy"]["settled_before_first_step"]["value"],
               switches = one["greedy"]["switches"]["value"];
  EXPECT_LE(settled, early);
  EXPECT_NEAR(settled + switches, 1, 1e-9);
}

TEST_F(ChainOfProbeTest, chains_that_are_never_sound_cannot_be_scored_and_an_opening_needs_the_question) {
  plant();
  for (auto& fact : set.facts) fact.answers = {fact.id.size() % 2 ? "nowhere" : "never"};
  EXPECT_THROW(run("chain-of-probe", params()), Error);
  Json bad = params();
  bad["opening"] = "no slot";
  EXPECT_THROW(run("chain-of-probe", bad), UsageError);
}

}  // namespace
}  // namespace ken::chain_of_probe_test_file
