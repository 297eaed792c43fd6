// Interchange: swapping everything is being the source, fitting lowers the loss below chance, files keep a subspace.
#include "ken/readout/subspace.h"

#include <gtest/gtest.h>

#include <fstream>

#include "ken/base/error.h"
#include "tests/fixtures.h"
#include "tests/tiny.h"

namespace ken::readout::subspace_test_file {
namespace {

std::vector<std::vector<int32_t>> prompts() {
  std::vector<std::vector<int32_t>> result;
  for (int32_t i = 0; i < 12; ++i) result.push_back({5, 20 + i, 60 + 3 * i, 9});
  return result;
}

int32_t likeliest(const model::Model& model, const std::vector<int32_t>& tokens) {
  const at::NoGradGuard no_gradients;
  return int32_t(model::forward(model, model::pack({{tokens}}, model.config.vocab), {.compute = nn::Compute::f32})
                     .logits[0]
                     .argmax()
                     .item<int64_t>());
}

std::vector<Swap> swaps_of(const model::Model& model, const std::vector<std::vector<int32_t>>& prompts) {
  std::vector<Swap> result;
  for (size_t i = 0; i < prompts.size(); ++i)
    for (size_t j = 0; j < prompts.size(); ++j)
      if (i != j) result.push_back({i, j, 0, likeliest(model, prompts[j])});
  return result;
}

TEST(SubspaceTest, the_changed_row_alone_gives_the_logits_of_the_whole_prompt) {
  const auto model = test::tiny_model();
  const auto all = prompts();
  Interchanges data(*model, all, {{0, 1, 0, 0}}, {0, 1}, nn::Compute::f32);
  const at::NoGradGuard no_gradients;
  const Tensor whole =
      model::forward(*model, model::pack({{all[0]}}, model->config.vocab), {.compute = nn::Compute::f32}).logits;
  for (const int64_t layer : {0, 1}) {
    const Tensor own = data.logits(layer, {0}, data.states(layer).narrow(0, 0, 1));
    EXPECT_LE((own - whole).abs().max().item<double>(), 1e-4 * whole.abs().max().item<double>());
  }
  EXPECT_THROW(data.logits(0, {1}, data.states(0).narrow(0, 1, 1)), Error);  // read as a source only
}

TEST(SubspaceTest, a_fit_is_orthonormal_and_beats_random_directions) {
  const auto model = test::tiny_model();
  const auto all = prompts();
  const auto swaps = swaps_of(*model, all);
  Interchanges data(*model, all, swaps, {1}, nn::Compute::f32);
  const auto fit = fit_subspace(data, swaps, {.layer = 1, .rank = 2, .epochs = 10, .batch = 32, .rate = 0.05});
  const Tensor square = at::mm(fit.subspace.basis.t(), fit.subspace.basis);
  EXPECT_TRUE(at::allclose(square, at::eye(2), 0, 1e-4));
  EXPECT_LT(fit.losses.back(), fit.losses.front());
  EXPECT_LT(swap_loss(data, fit.subspace, swaps), swap_loss(data, random_subspace(32, 2, 1, 3), swaps));
}

TEST(SubspaceTest, a_tap_sets_the_coordinate_of_the_last_row_only) {
  const Subspace u = random_subspace(32, 1, 0, 1);
  const Tensor x = at::randn({3, 32});
  const std::vector<int64_t> positions = {0, 1, 2};
  const Tensor set = *u.setting(0, 4.5).fn(x, {0, positions, model::Phase::prefill, 0, model::Point::resid_post});
  EXPECT_NEAR(u.coordinates(set)[2][0].item<double>(), 4.5, 1e-4);
  EXPECT_TRUE(at::equal(set.narrow(0, 0, 2), x.narrow(0, 0, 2)));
  EXPECT_THROW(u.setting(1, 0), UsageError);
}

TEST(SubspaceTest, files_keep_everything_and_others_are_refused) {
  Subspace u = random_subspace(16, 2, 3, 1);
  u.name = "plane", u.axes = {"memory", "context"}, u.model_sha256 = "abc", u.centre = at::randn({16});
  const auto folder = test::scratch("subspace");
  save(u, folder / "u.safetensors");
  const Subspace read = load_subspace(folder / "u.safetensors");
  EXPECT_TRUE(at::equal(read.basis, u.basis) && at::equal(read.centre, u.centre));
  EXPECT_EQ(read.axes, u.axes);
  EXPECT_EQ(read.layer, 3);
  u.basis = u.basis * 2;
  save(u, folder / "long.safetensors");
  EXPECT_THROW(load_subspace(folder / "long.safetensors"), Error);
}

}  // namespace
}  // namespace ken::readout::subspace_test_file
