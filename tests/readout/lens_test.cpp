// Lenses: the last state reads as the model's own logits on every shape, a fitted lens comes closer to them on texts
// that it has not seen, and what is saved is read again.
#include "ken/readout/lens.h"

#include <gtest/gtest.h>

#include "ken/base/error.h"
#include "ken/model/partial.h"
#include "tests/fixtures.h"
#include "tests/passages.h"
#include "tests/tiny.h"

namespace ken::readout::lens_test_file {
namespace {

TEST(LensTest, the_last_state_reads_as_the_logits_bit_for_bit) {
  for (const char* name : {"llama", "gemma2", "gpt2", "qwen3"}) {
    KEN_FIXTURE(path, std::string("models/") + name + "/model.gguf");
    const auto model = model::load(path);
    for (const auto compute : {nn::Compute::f32, nn::Compute::fast}) {
      const Pass pass = states_of(*model, {{1, 5, 9, 3}, {7, 2}}, compute);
      const int64_t last = model->config.n_layers;
      EXPECT_TRUE(at::equal(Lens{}.read(*model, last, pass.states[last], compute), pass.logits)) << name;
      const Tensor states = last_states(*model, {{1, 5, 9, 3}, {7, 2}}, compute);
      EXPECT_TRUE(at::equal(states[0], pass.states.select(1, 3))) << name;
      EXPECT_TRUE(at::equal(states[1], pass.states.select(1, 5))) << name;
    }
  }
}

double distance(const model::Model& model, const Lens& lens, const std::vector<std::vector<int32_t>>& texts) {
  const Pass pass = states_of(model, texts, nn::Compute::f32);
  const Tensor any = at::zeros({pass.logits.size(0)}, at::kLong);
  return read_layers(model, lens, pass.states.transpose(0, 1), any, nn::Compute::f32).divergence.mean().item<double>();
}

TEST(LensTest, a_fitted_lens_is_closer_to_the_model_on_texts_it_has_not_seen) {
  const auto model = test::tiny_model();
  const auto texts = data::texts_about(test::tiny_facts(), world::prompt_style(), 1);
  const Lens lens = fit_lens(*model, texts, {.steps = 30, .tokens = 256, .seed = 1});
  const auto judged = held_out_texts(*model, texts, 512, 1);
  EXPECT_LT(distance(*model, lens, judged), 0.7 * distance(*model, {}, judged));
  const Lens none = fit_lens(*model, texts, {.steps = 0});
  EXPECT_EQ(distance(*model, none, judged), distance(*model, {}, judged));  // it starts from the logit lens
}

TEST(LensTest, a_saved_lens_is_read_again_and_fits_only_its_model) {
  const auto model = test::tiny_model();
  const auto texts = data::texts_about(test::tiny_facts(), world::prompt_style(), 1);
  const Lens lens = fit_lens(*model, texts, {.steps = 2, .tokens = 64});
  const fs::path path = test::scratch("lens") / "lens.safetensors";
  save(lens, path);
  const Lens again = load_lens(path, *model);
  for (size_t l = 0; l < lens.a.size(); ++l) {
    EXPECT_TRUE(at::equal(lens.a[l], again.a[l]));
    EXPECT_TRUE(at::equal(lens.b[l], again.b[l]));
  }
  model::Config other = model->config;
  other.d_model = 16;
  EXPECT_THROW(load_lens(path, *model::make_random(other, 1)), Error);
  other = model->config;
  other.n_layers = 1;
  EXPECT_THROW(load_lens(path, *model::make_random(other, 1)), Error);
}

TEST(LensTest, the_basis_is_orthogonal_and_outdoes_random_directions) {
  const auto model = test::tiny_model();
  const auto texts = data::texts_about(test::tiny_facts(), world::prompt_style(), 1);
  const Pass pass = states_of(*model, held_out_texts(*model, texts, 128, 2), nn::Compute::f32);
  const Tensor states = pass.states[1];
  const Basis basis = causal_basis(*model, {}, 1, states, 4, 3, nn::Compute::f32);
  const Tensor gram = at::mm(basis.directions, basis.directions.t());
  EXPECT_LT((gram - at::eye(4)).abs().max().item<double>(), 1e-3);
  const Tensor plain = Lens{}.read(*model, 1, states, nn::Compute::f32);
  at::manual_seed(1);
  double random = 0;
  for (int i = 0; i < 8; ++i) {
    Tensor v = at::randn({1, states.size(1)});
    v = v / v.norm();
    const Tensor z = Lens{}.read(*model, 1, ablate(states, v, states.mean(0)), nn::Compute::f32);
    random += kl(plain, z).mean().item<double>() / 8;
  }
  EXPECT_GT(basis.influence[0], 1.5 * random);
  const Tensor without = ablate(states, basis.directions, states.mean(0));
  const Tensor left = at::mm(without - states.mean(0), basis.directions.t());
  EXPECT_LT(left.abs().max().item<double>(), 1e-3);  // nothing of the directions is left
}

}  // namespace
}  // namespace ken::readout::lens_test_file
