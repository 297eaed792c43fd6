// A model with quantised weights is the model of its dequantised weights: the forward pass never sees the difference.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "ken/io/quantize.h"
#include "ken/model/divergence.h"
#include "ken/model/model.h"
#include "tests/fixtures.h"

namespace ken::model::quantized_test_file {
namespace {

// Rows of 256 and 512, so that every format's blocks fill them.
Config wide_config() {
  Config c;
  c.arch = "llama";
  c.name = "wide";
  c.vocab = 97;
  c.n_layers = 2;
  c.d_model = 256;
  c.n_heads = 4;
  c.n_kv_heads = 2;
  c.d_head = 64;
  c.rope_width = 64;
  c.d_ff = 512;
  c.context = 64;
  c.tied = true;
  return c;
}

Tensor logits(const Model& model, nn::Compute compute) {
  const Batch batch = pack({{{5, 80, 7, 33, 2, 96}}, {{1, 2}}}, model.config.vocab);
  ForwardOptions options;
  options.compute = compute;
  options.logits = ForwardOptions::Logits::all;
  return forward(model, batch, options).logits.to(at::kFloat);
}

TEST(QuantizedModelTest, every_format_computes_what_its_dequantised_weights_do) {
  const fs::path folder = test::scratch("quantized-model");
  save(*make_random(wide_config(), 3), folder / "f32.gguf", io::DType::f32);
  for (const auto& type : io::weight_types()) {
    const fs::path small = folder / (type + ".gguf"), wide = folder / (type + "-f32.gguf");
    const auto result = io::quantize(*io::open_tensors(folder / "f32.gguf"), small, {.dtype = io::weight_type(type)});
    EXPECT_TRUE(result.notes.empty()) << type;
    io::quantize(*io::open_tensors(small), wide, {.dtype = io::DType::f32});
    const auto stored = load(small), expanded = load(wide);
    const Tensor ours = logits(*stored, nn::Compute::f32), theirs = logits(*expanded, nn::Compute::f32);
    EXPECT_LE((ours - theirs).abs().max().item<double>(), 1e-5 * theirs.abs().max().item<double>()) << type;
    const Tensor fast = logits(*stored, nn::Compute::fast);
    EXPECT_LE((fast - theirs).abs().max().item<double>(), 5e-2 * theirs.abs().max().item<double>()) << type;
    save(*stored, folder / "again.gguf", io::weight_type(type));
    EXPECT_EQ(io::open_tensors(folder / "again.gguf")->at("blk.1.ffn_up.weight").dtype, io::weight_type(type));
    EXPECT_TRUE(at::isfinite(logits(*load(folder / "again.gguf"), nn::Compute::f32)).all().item<bool>()) << type;
  }
}

std::vector<std::vector<int32_t>> some_texts() {
  std::vector<std::vector<int32_t>> texts;
  for (int32_t t = 0; t < 4; ++t) {
    texts.emplace_back();
    for (int32_t i = 0; i < 60; ++i) texts.back().push_back((t * 31 + i * i * 7 + i) % 97);
  }
  return texts;
}

// int8 or bf16 products beside f32 ones, on the same stored weights; the final norm is sharpened, as random weights
// alone would leave every distribution flat.
TEST(QuantizedModelTest, fast_products_leave_every_format_within_a_thousandth_of_a_nat) {
  const fs::path folder = test::scratch("quantized-fast");
  const auto source = make_random(wide_config(), 5);
  const auto texts = some_texts();
  for (const auto& type : io::weight_types()) {
    save(*source, folder / (type + ".gguf"), io::weight_type(type));
    const auto stored = load(folder / (type + ".gguf"));
    stored->ln_final = stored->ln_final * 4;
    const Tensor spread = at::log_softmax(logits(*stored, nn::Compute::f32), -1).std(-1).mean();
    EXPECT_GT(spread.item<double>(), 1) << type << ": too flat to show a difference";
    const Divergence d = divergence(*stored, *stored, {nn::Compute::fast}, texts)[0];
    EXPECT_LE(d.mean, 1e-3) << type;
    RecordProperty(type, fmt::format("{:.1e}", d.mean));
  }
}

// Keys and values in int8 beside those in bf16, token by token over the same stored weights.
TEST(QuantizedModelTest, keys_and_values_in_int8_leave_answers_within_a_thousandth_of_a_nat) {
  const at::NoGradGuard no_gradients;
  const fs::path file = test::scratch("quantized-cache") / "q8_0.gguf";
  save(*make_random(wide_config(), 5), file, io::weight_type("q8_0"));
  const auto stored = load(file);
  stored->ln_final = stored->ln_final * 4;
  const auto spread_over = [&](bool levels) {
    stored->int8_cache = levels;
    nn::KvCache cache = make_cache(*stored, nn::Compute::fast);
    std::vector<Tensor> all;
    for (const auto& text : some_texts()) {
      const int row = cache.open();
      for (const int32_t token : text) {
        const Batch batch = pack({{{token}, row, Phase::decode}}, stored->config.vocab, &cache);
        all.push_back(forward(*stored, batch, {.compute = nn::Compute::fast, .cache = &cache}).logits);
      }
    }
    return at::log_softmax(at::cat(all), -1);
  };
  const Tensor of = spread_over(false), other = spread_over(true);
  const double mean = (of.exp() * (of - other)).sum(-1).mean().item<double>();
  EXPECT_GT(mean, 0);
  EXPECT_LE(mean, 1e-3);
  RecordProperty("int8 cache", fmt::format("{:.1e}", mean));
  EXPECT_THROW(make_cache(*stored, nn::Compute::f32), UsageError);
}

}  // namespace
}  // namespace ken::model::quantized_test_file
