// Gemma 3 (arXiv 2503.19786), its text model: five layers with a window, then one without; the first turn with a base
// of their own; a norm of each head's q and k.
#include <cmath>

#include "ken/model/arch.h"

namespace ken::model {
namespace {

constexpr int64_t period = 6;

void shape(Config& c) {
  c.post_norm = true;
  c.qk_norm = QkNorm::head;
  c.activation = Activation::gelu_tanh;
  c.embed_scale = std::sqrt(double(c.d_model));
}

// GGUF has no key for the query's scale: of the published sizes only 27B does not divide by sqrt(d_head).
void from_gguf(const io::TensorFile& file, Config& c) {
  shape(c);
  c.rope_base = file.metadata.number("gemma3.rope.freq_base", 1e6);
  c.rope_local_base = file.metadata.number("gemma3.rope.local.freq_base", 10000);
  c.windows = every_other_window(c, file.metadata.integer("gemma3.attention.sliding_window", 1024), period);
  if (c.n_layers == 62) c.attn_scale = 1 / std::sqrt(double(c.d_model) / double(c.n_heads));
}

void from_hf(const Json& json, Config& c) {
  shape(c);
  c.norm_plus_one = true;
  c.tied = hf_flag(json, "tie_word_embeddings", true);
  c.activation = hf_activation(hf_text(json, "hidden_activation", "gelu_pytorch_tanh"));
  c.attn_cap = hf_number(json, "attn_logit_softcapping", 0);
  c.final_cap = hf_number(json, "final_logit_softcapping", 0);
  c.attn_scale = 1 / std::sqrt(hf_number(json, "query_pre_attn_scalar", 256));
  if (!json.contains("rope_theta")) c.rope_base = 1e6;
  c.rope_local_base = hf_number(json, "rope_local_base_freq", 10000);
  if (c.windows.empty())
    c.windows = every_other_window(c, hf_integer(json, "sliding_window", 4096),
                                   hf_integer(json, "sliding_window_pattern", period));
}

void hf_source(const Config&, const std::string& name, Source& source) {
  const auto [layer, part] = split_name(name);
  if (part == "ln2.w") source.name = fmt::format("model.layers.{}.pre_feedforward_layernorm.weight", layer);
}

void write_config(const Config& c, io::Metadata& metadata) {
  metadata.values["gemma3.attention.sliding_window"] = c.window(0);
}

const Register<Arch> entry{
    {.card = {.id = "gemma3",
              .family = "arch",
              .title = "Gemma 3",
              .paper = "arXiv 2503.19786",
              .sentence = "Local and global layers with rotary bases of their own, norms of q and k.",
              .example = "ken inspect model.gguf"},
     .model_types = {"gemma3_text"},
     .from_gguf = from_gguf,
     .from_hf = from_hf,
     .hf_source = hf_source,
     .write_config = write_config}};

}  // namespace
}  // namespace ken::model
