// Activation patching: what is known beforehand (the last layer carries all, nothing behind it carries anything), both
// directions, noise, and that runs repeat.
#include "tests/methods/inside/story_pairs.h"

namespace ken::readout::activation_patching_test_file {
namespace {

using ActivationPatchingTest = StoryPairs;

TEST_F(ActivationPatchingTest, the_last_layer_carries_all_of_the_answer_at_the_last_token_and_none_before) {
  for (const char* direction : {"denoising", "noising"}) {
    const auto result = run("activation-patching", {{"direction", direction}});
    const Json& resid = result.table["effect"]["resid_post"];
    const int64_t layers = model->config.n_layers, last = int64_t(place_names().size()) - 1;
    ASSERT_EQ(int64_t(resid.size()), layers);
    EXPECT_NEAR(value(resid[size_t(layers - 1)][size_t(last)]), 1, 1e-4);
    EXPECT_NEAR(value(resid[size_t(layers - 1)][2]), 0, 1e-4);
    // The word that differs is one or two tokens: early on it carries most.
    const double early = value(resid[0][2]);
    EXPECT_GT(early, 0.2) << direction;
    EXPECT_EQ(int64_t(result.table["effect"]["head"][0].size()), model->config.n_heads);
    EXPECT_EQ(result.tensors.at("resid_post").sizes(), (at::IntArrayRef{layers, last + 1}));
  }
}

TEST_F(ActivationPatchingTest, a_window_of_all_layers_carries_more_than_one_layer) {
  const auto one = run("activation-patching", {{"window", 1}}), all = run("activation-patching", {{"window", 99}});
  const auto best = [](const Tensor& map) { return at::nan_to_num(map).max().item<double>(); };
  EXPECT_GT(best(all.tensors.at("attn_out")), best(one.tensors.at("attn_out")));
}

TEST_F(ActivationPatchingTest, noise_and_probability_are_measured_too_and_runs_repeat) {
  const Json params{{"corruption", "noise"}, {"draws", 2}, {"metric", "probability"}, {"max_pairs", 10}};
  const auto result = run("activation-patching", params);
  EXPECT_NEAR(value(result.table["effect"]["resid_post"][size_t(model->config.n_layers - 1)][5]), 1, 1e-4);
  EXPECT_EQ(result.table.dump(), run("activation-patching", params).table.dump());
}

TEST_F(ActivationPatchingTest, too_few_pairs_are_an_error_that_says_what_to_give) {
  try {
    run("activation-patching", {{"least_gap", 99}});
    FAIL() << "no pair has such a gap";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("file=FILE"), std::string::npos) << error.what();
  }
}

}  // namespace
}  // namespace ken::readout::activation_patching_test_file
