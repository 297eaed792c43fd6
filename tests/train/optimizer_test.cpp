#include "ken/train/optimizer.h"

#include <gtest/gtest.h>

#include "ken/io/quantize.h"
#include "tests/fixtures.h"

namespace ken::train::optimizer_test_file {
namespace {

model::Config wide_config() {
  model::Config c;
  c.arch = "llama", c.name = "wide";
  c.vocab = 96, c.n_layers = 1, c.d_model = 64, c.n_heads = 2, c.n_kv_heads = 2, c.d_head = 32, c.rope_width = 32;
  c.d_ff = 64, c.context = 32, c.tied = true;
  return c;
}

// A matrix of Q8_0 blocks that is made trainable is f32 from then on, and so is what reads it.
TEST(OptimizerTest, a_quantised_model_made_trainable_computes_what_its_stored_weights_did) {
  const fs::path folder = test::scratch("train-quantised");
  model::save(*model::make_random(wide_config(), 3), folder / "f32.gguf", io::DType::f32);
  io::quantize(*io::open_tensors(folder / "f32.gguf"), folder / "q8.gguf", {.dtype = io::weight_type("q8_0")});
  const auto stored = model::load(folder / "q8.gguf"), trained = model::load(folder / "q8.gguf");
  train_all(*trained);
  freeze(*trained);
  const auto logits = [](const model::Model& m) {
    const at::NoGradGuard none;
    return model::forward(m, model::pack({{{5, 80, 7, 33}}}, m.config.vocab), {.compute = nn::Compute::f32}).logits;
  };
  const at::Tensor before = logits(*stored), after = logits(*trained);
  EXPECT_LE((before - after).abs().max().item<double>(), 1e-5 * before.abs().max().item<double>());
}

}  // namespace
}  // namespace ken::train::optimizer_test_file
