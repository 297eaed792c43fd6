// The law that nothing is lost in a GGUF file unsaid: its metadata, read again, must give the config that was written.
#include "ken/model/lost.h"

#include <cmath>

#include "ken/base/error.h"

namespace ken::model {
namespace {

// A file with this metadata and the tensors that the readers of configs look at.
Config read_again(const Model& m, const io::Metadata& metadata) {
  const Config& c = m.config;
  io::TensorFile file;
  file.name = metadata.name, file.format = "gguf", file.metadata = metadata;
  const auto add = [&](const char* name, std::vector<int64_t> shape, std::span<const std::byte> bytes = {}) {
    file.tensors.push_back({name, io::DType::f32, std::move(shape), bytes});
  };
  const auto factors = [&](const char* name, const std::vector<float>& values) {
    if (!values.empty()) add(name, {int64_t(values.size())}, std::as_bytes(std::span(values)));
  };
  add("token_embd.weight", {c.vocab, c.d_model});
  if (!c.tied) add("output.weight", {c.vocab, c.d_model});
  if (c.qkv_bias) add("blk.0.attn_q.bias", {1});
  if (c.out_bias) add("blk.0.attn_output.bias", {1});
  if (c.mlp_bias) add("blk.0.ffn_up.bias", {1});
  factors(c.rope_long_factors.empty() ? "rope_freqs.weight" : "rope_factors_short.weight", c.rope_factors);
  factors("rope_factors_long.weight", c.rope_long_factors);
  file.index();
  const Arch& arch = arch_of_gguf(metadata.text("general.architecture"));
  Config again = usual_gguf_config(file, arch);
  if (arch.from_gguf) arch.from_gguf(file, again);
  return again;
}

bool close(double a, double b) { return std::abs(a - b) <= 1e-5 * std::max(std::abs(a), std::abs(b)); }

bool same_turns(const Tensor& a, const Tensor& b) {
  if (a.defined() != b.defined()) return false;
  return !a.defined() || (a.sizes() == b.sizes() && at::allclose(a, b, 1e-5, 1e-12));
}

bool same_windows(const Config& a, const Config& b) {
  for (int64_t l = 0; l < a.n_layers; ++l)
    if (a.window(l) != b.window(l)) return false;
  return true;
}

bool same_skips(const Config& a, const Config& b) {
  const auto skipped = [](const Config& c, int64_t l) { return !c.rope_skip.empty() && c.rope_skip[size_t(l)]; };
  for (int64_t l = 0; l < a.n_layers; ++l)
    if (skipped(a, l) != skipped(b, l)) return false;
  return true;
}

// Bases of local layers count where there are such layers.
bool same_rope(const Model& a, const Model& b) {
  bool local = false;
  for (int64_t l = 0; l < a.config.n_layers; ++l) local = local || a.config.window(l) > 0;
  const auto base = [](const Model& m) { return m.rope_local.defined() ? m.rope_local : m.rope_frequencies; };
  return same_turns(a.rope_frequencies, b.rope_frequencies) && same_turns(a.rope_long, b.rope_long) &&
         (!local || same_turns(base(a), base(b))) && close(a.config.rope_magnitude, b.config.rope_magnitude) &&
         (!a.rope_long.defined() || a.config.rope_original == b.config.rope_original);
}

double attn_scale(const Config& c) { return c.attn_scale > 0 ? c.attn_scale : 1 / std::sqrt(double(c.d_head)); }

}  // namespace

void refuse_losses(const Model& model, const io::Metadata& metadata) {
  const Config &a = model.config, b = read_again(model, metadata);
  const auto again = outline(b);
  const std::pair<bool, const char*> rules[] = {
      {a.n_layers == b.n_layers && a.d_model == b.d_model && a.n_heads == b.n_heads && a.n_kv_heads == b.n_kv_heads &&
           a.d_head == b.d_head && a.d_ff == b.d_ff && a.rope_width == b.rope_width,
       "the shape"},
      {same_windows(a, b), "the attention windows"},
      {same_skips(a, b), "the layers without positions"},
      {a.learned_positions == b.learned_positions && same_rope(model, *again), "the rotary frequencies"},
      {close(attn_scale(a), attn_scale(b)), "the query scale"},
      {close(a.attn_cap, b.attn_cap) && close(a.final_cap, b.final_cap), "the soft caps"},
      {a.activation == b.activation && a.gated == b.gated, "the activation"},
      {a.norm == b.norm && close(a.norm_eps, b.norm_eps) && a.qk_norm == b.qk_norm && a.pre_norm == b.pre_norm &&
           a.post_norm == b.post_norm && a.parallel == b.parallel,
       "the norms"},
      {a.n_experts == b.n_experts && a.n_experts_used == b.n_experts_used, "the experts"},
      {close(a.embed_scale, b.embed_scale), "the embedding's scale"}};
  for (const auto& [kept, what] : rules)
    if (!kept)
      fail("model", "a GGUF file of a {} model cannot say {} of this one; keep the Hugging Face folder", a.arch, what);
}

}  // namespace ken::model
