// What GGUF cannot say of a model is refused: a file that would open as another model is never written.
#include <gtest/gtest.h>

#include "ken/base/error.h"
#include "ken/model/arch.h"
#include "tests/fixtures.h"

namespace ken::model::save_test_file {
namespace {

Json keys(const char* family, int64_t layers = 7) {
  return {{"model_type", family},          {"hidden_size", 32},        {"num_hidden_layers", layers},
          {"num_attention_heads", 4},      {"num_key_value_heads", 2}, {"head_dim", 16},
          {"intermediate_size", 48},       {"vocab_size", 50},         {"max_position_embeddings", 128},
          {"query_pre_attn_scalar", 16.0}, {"rope_theta", 10000.0}};
}

// The model that such a config.json describes, through GGUF and back; the error's text where there is one.
std::string round_trip(const Json& json) {
  const fs::path path = test::scratch("save") / "model.gguf";
  fs::remove(path);
  const Arch& arch = arch_of_hf(json);
  const Json usual = usual_hf_keys(json, arch);
  const auto model = make_random(hf_config(usual, arch), 1);
  put_yarn(usual, model->config, arch, model->metadata);
  try {
    save(*model, path, io::DType::f32);
  } catch (const Error& error) {
    EXPECT_FALSE(fs::exists(path));
    return error.what();
  }
  const auto again = load(path);
  const Batch batch = pack({{{1, 2, 3, 4, 5, 6, 7, 8, 9}}}, 50);
  ForwardOptions options;
  options.compute = nn::Compute::f32;
  options.logits = ForwardOptions::Logits::all;
  const Tensor ours = forward(*model, batch, options).logits, theirs = forward(*again, batch, options).logits;
  return (ours - theirs).abs().max().item<double>() < 1e-5 ? "same" : "other logits";
}

Json with(Json json, const Json& changes) {
  json.update(changes);
  return json;
}

TEST(SaveTest, what_gguf_can_say_comes_back) {
  EXPECT_EQ(round_trip(with(keys("mistral"), {{"sliding_window", 4}})), "same");
  EXPECT_EQ(round_trip(with(keys("phi3"), {{"sliding_window", 4}})), "same");
  EXPECT_EQ(round_trip(with(keys("gemma2"), {{"sliding_window", 4}})), "same");
  EXPECT_EQ(round_trip(with(keys("gemma3_text"), {{"sliding_window", 4}, {"rope_local_base_freq", 500.0}})), "same");
  EXPECT_EQ(round_trip(with(keys("llama"), {{"rope_scaling", {{"rope_type", "linear"}, {"factor", 4.0}}}})), "same");
  const Json yarn{{"rope_type", "yarn"}, {"factor", 4.0}, {"original_max_position_embeddings", 32}};
  EXPECT_EQ(round_trip(with(keys("qwen2"), {{"rope_scaling", yarn}})), "same");
  EXPECT_EQ(round_trip(with(keys("llama"), {{"rope_scaling", with(yarn, {{"attention_factor", 1.25}})}})), "same");
}

TEST(SaveTest, what_gguf_cannot_say_is_refused_by_name) {
  const auto refused = [](const Json& json, const std::string& what) {
    const std::string error = round_trip(json);
    EXPECT_NE(error.find(what), std::string::npos) << error;
  };
  refused(with(keys("gemma2"), {{"query_pre_attn_scalar", 20.0}}),
          "layer 0 of this gemma2 model has an attention scale");
  refused(with(keys("gemma3_text"), {{"query_pre_attn_scalar", 20.0}}), "an attention scale");
  refused(with(keys("gemma3_text"), {{"sliding_window", 4}, {"sliding_window_pattern", 3}}), "an attention window");
  refused(with(keys("qwen2"), {{"use_sliding_window", true}, {"sliding_window", 4}, {"max_window_layers", 3}}),
          "layer 3 of this qwen2 model has an attention window");
  refused(with(keys("smollm3"), {{"no_rope_layers", {1, 1, 0, 1, 1, 1, 1}}}), "layer 2 of this smollm3 model");
  const Json yarn{{"rope_type", "yarn"}, {"factor", 4.0}, {"original_max_position_embeddings", 32}};
  refused(with(keys("llama"), {{"rope_scaling", with(yarn, {{"truncate", false}})}}), "rope factors");
}

}  // namespace
}  // namespace ken::model::save_test_file
