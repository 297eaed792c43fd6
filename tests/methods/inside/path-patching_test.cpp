// Path patching: heads without a path have no effect, receivers restrict the senders, names are checked.
#include "ken/readout/heads.h"
#include "tests/methods/inside/story_pairs.h"

namespace ken::readout::path_patching_test_file {
namespace {

using PathPatchingTest = StoryPairs;

TEST_F(PathPatchingTest, some_heads_reach_the_answer_and_the_strongest_are_listed_first) {
  const auto result = run("path-patching", {});
  const Tensor effect = result.tensors.at("effect");
  EXPECT_EQ(effect.sizes(), (at::IntArrayRef{model->config.n_layers, model->config.n_heads}));
  EXPECT_GT(effect.abs().max().item<double>(), 0.01);
  const Json& top = result.table["strongest"];
  EXPECT_NEAR(top[0]["effect"].get<double>(), effect.min().item<double>(), 1e-6);
  EXPECT_LE(top[0]["effect"].get<double>(), top[1]["effect"].get<double>());
}

TEST_F(PathPatchingTest, senders_lie_before_their_receivers) {
  const auto result = run("path-patching", {{"receivers", "2.0"}, {"place", "last changed"}, {"input", "v"}});
  EXPECT_EQ(result.tensors.at("effect").slice(0, 2).abs().max().item<double>(), 0);
  EXPECT_GT(result.tensors.at("effect").abs().max().item<double>(), 0);
  EXPECT_THROW(run("path-patching", {{"receivers", "9.9"}}), UsageError);
  EXPECT_THROW(run("path-patching", {{"place", "middle changed"}}), Error);  // no word here is that long
}

}  // namespace
}  // namespace ken::readout::path_patching_test_file
