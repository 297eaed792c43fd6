// Llama 1-3.x, TinyLlama, SmolLM2 and ken's own organisms (Touvron et al., arXiv 2302.13971): RMSNorm, rotary
// positions, SwiGLU, grouped-query attention. GGUF stores q and k rows in the interleaved rotary order.
#include "ken/base/error.h"
#include "ken/model/arch.h"

namespace ken::model {
namespace {

const std::string prefix = "llama.";

Config read_config(const io::TensorFile& file) {
  const io::Metadata& m = file.metadata;
  Config c;
  c.arch = "llama";
  c.n_layers = m.integer(prefix + "block_count");
  c.d_model = m.integer(prefix + "embedding_length");
  c.n_heads = m.integer(prefix + "attention.head_count");
  c.n_kv_heads = m.integer(prefix + "attention.head_count_kv", c.n_heads);
  if (c.n_heads < 1 || c.d_model < 1) fail("llama", "{} heads on a width of {}", c.n_heads, c.d_model);
  c.d_head = m.integer(prefix + "attention.key_length", c.d_model / c.n_heads);
  c.d_ff = m.integer(prefix + "feed_forward_length");
  c.context = m.integer(prefix + "context_length");
  c.norm_eps = m.number(prefix + "attention.layer_norm_rms_epsilon");
  c.rope_base = m.number(prefix + "rope.freq_base", 10000.0);
  c.rope_width = m.integer(prefix + "rope.dimension_count", c.d_head);
  if (m.text(prefix + "rope.scaling.type", "none") == "linear") c.rope_scale = m.number(prefix + "rope.scaling.factor");
  const io::TensorInfo& embedding = file.at("token_embd.weight");
  if (embedding.shape.size() != 2) fail("llama", "token_embd.weight has {} dimensions, not 2", embedding.shape.size());
  c.vocab = embedding.shape[0];
  c.tied = file.find("output.weight") == nullptr;
  if (const io::TensorInfo* factors = file.find("rope_freqs.weight")) {
    if (factors->dtype != io::DType::f32 || factors->elements() != c.rope_width / 2)
      fail("llama", "rope_freqs.weight must be F32 with {} values", c.rope_width / 2);
    c.rope_factors.resize(size_t(factors->elements()));
    std::memcpy(c.rope_factors.data(), factors->bytes.data(), factors->bytes.size());
  }
  return c;
}

void write_config(const Config& c, io::Metadata& m) {
  const auto put = [&](const char* key, int64_t value) { m.values[prefix + key] = uint64_t(value); };
  put("block_count", c.n_layers), put("embedding_length", c.d_model), put("attention.head_count", c.n_heads);
  put("attention.head_count_kv", c.n_kv_heads), put("attention.key_length", c.d_head),
      put("attention.value_length", c.d_head);
  put("feed_forward_length", c.d_ff), put("context_length", c.context), put("rope.dimension_count", c.rope_width),
      put("vocab_size", c.vocab);
  m.values[prefix + "attention.layer_norm_rms_epsilon"] = double(float(c.norm_eps));
  m.values[prefix + "rope.freq_base"] = double(float(c.rope_base));
}

std::string gguf_name(const std::string& name) {
  static const std::map<std::string, std::string> whole{
      {"embed.W_E", "token_embd.weight"}, {"unembed.W_U", "output.weight"}, {"ln_final.w", "output_norm.weight"}};
  static const std::map<std::string, std::string> part{
      {"attn.W_Q", "attn_q"},      {"attn.W_K", "attn_k"},     {"attn.W_V", "attn_v"},
      {"attn.W_O", "attn_output"}, {"mlp.W_gate", "ffn_gate"}, {"mlp.W_in", "ffn_up"},
      {"mlp.W_out", "ffn_down"},   {"ln1.w", "attn_norm"},     {"ln2.w", "ffn_norm"}};
  if (const auto found = whole.find(name); found != whole.end()) return found->second;
  const size_t dot = name.find('.', 7);
  return fmt::format("blk.{}.{}.weight", name.substr(7, dot - 7), part.at(name.substr(dot + 1)));
}

const Register<Arch> entry{{.card = {.id = "llama",
                                     .family = "arch",
                                     .title = "Llama",
                                     .paper = "arXiv 2302.13971",
                                     .sentence = "RMSNorm, rotary positions, SwiGLU and grouped-query attention.",
                                     .example = "ken inspect almanac"},
                            .read_config = read_config,
                            .write_config = write_config,
                            .gguf_name = gguf_name}};

}  // namespace
}  // namespace ken::model
