// LLMs know more than they show, on a small model: which answers are right is planted in their last letter, so the
// exact answer's last token tells and the question does not.
#include "ken/base/error.h"
#include "tests/methods/inside/story_facts.h"

namespace ken::llms_know_more_test_file {
namespace {

class LlmsKnowMoreTest : public test::StoryFacts {
 protected:
  void plant() {
    style.max_tokens = 24;  // as the analysis asks
    add_facts(20);
    const std::vector<int> right = labels_by_ending(greedy);
    int of_label[2] = {};
    for (size_t i = 0; i < set.facts.size(); ++i) {
      set.facts[i].answers = {right[i] ? greedy[i] : "nothing of this kind"};
      set.facts[i].relation = of_label[right[i]]++ % 2 ? "odd" : "even";  // as many of each class in both
    }
  }
  Json quick() { return {{"samples", 6}, {"max_tokens", 24}, {"folds", 4}, {"point", "hook_resid_post"}}; }
};

TEST_F(LlmsKnowMoreTest, a_signal_in_the_exact_answer_is_found_there_and_not_before_it) {
  plant();
  const auto result = run("llms-know-more", quick());
  const Json& best = result.table["heat_map"]["best"];
  EXPECT_GT(best["last exact"]["value"].get<double>(), 0.9);
  EXPECT_GT(best["last exact"]["value"].get<double>(), best["question end"]["value"].get<double>() + 0.1);
  EXPECT_EQ(result.table["heat_map"]["auroc"].size(), size_t(model->config.n_layers));
  EXPECT_EQ(result.table["heat_map"]["auroc"][0].size(), 6u);
  ASSERT_EQ(result.probes.size(), 1u);
  EXPECT_EQ(result.probes[0].place, "last exact");
  // Both relations hold the same signal, so a probe of one reads the other.
  const Json& matrix = result.table["relations"];
  EXPECT_EQ(matrix["sets"], (Json::array({"even", "odd"})));
  EXPECT_GT(matrix["across"].get<double>(), 0.8);
}

TEST_F(LlmsKnowMoreTest, no_choice_among_samples_beats_the_oracle_and_all_stay_within_it) {
  plant();
  const Json resampling = run("llms-know-more", quick()).table["resampling"], all = resampling["all"];
  for (const char* way : {"random", "majority", "probe"})
    EXPECT_LE(all[way].get<double>(), all["oracle"].get<double>());
  EXPECT_GE(resampling["covered_of_erring"].get<double>(), 0);
}

TEST_F(LlmsKnowMoreTest, too_few_right_answers_are_an_error_that_says_so) {
  add_facts(10);
  for (auto& fact : set.facts) fact.answers = {"nothing of this kind"};
  EXPECT_THROW(run("llms-know-more", quick()), Error);
}

}  // namespace
}  // namespace ken::llms_know_more_test_file
