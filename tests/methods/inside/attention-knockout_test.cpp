// Attention knock-out: hiding the word that differs takes the answer away, and the sets' attention adds up.
#include "tests/methods/inside/story_pairs.h"

namespace ken::readout::attention_knockout_test_file {
namespace {

using AttentionKnockoutTest = StoryPairs;

TEST_F(AttentionKnockoutTest, hiding_the_word_that_differs_in_all_layers_takes_the_answer_away) {
  const auto result = run("attention-knockout", {{"window", 1.0}});
  const size_t middle = size_t(model->config.n_layers / 2);
  EXPECT_EQ(result.table["window"], model->config.n_layers);
  EXPECT_LT(value(result.table["effect"][middle][0]), -0.1);
  const auto narrow = run("attention-knockout", {{"window", 0.0}});
  EXPECT_EQ(narrow.table["window"], 1);
  EXPECT_EQ(result.tensors.at("effect").sizes(), (at::IntArrayRef{model->config.n_layers, 3}));
}

TEST_F(AttentionKnockoutTest, attention_is_a_share_and_does_not_depend_on_what_is_hidden) {
  const auto wide = run("attention-knockout", {{"window", 1.0}}), narrow = run("attention-knockout", {{"window", 0.0}});
  const Tensor mass = wide.tensors.at("attention").sum(0);  // over the sets: all but the last token itself
  EXPECT_LE(mass.max().item<double>(), 1 + 1e-5);
  EXPECT_GT(mass.min().item<double>(), 0);
  EXPECT_TRUE(at::equal(wide.tensors.at("attention"), narrow.tensors.at("attention")));
}

}  // namespace
}  // namespace ken::readout::attention_knockout_test_file
