// Gemma 2 (arXiv 2408.00118): soft caps on scores and logits, a window at every other layer, norms before and after
// each module, the embedding scaled by sqrt(d_model). Hugging Face stores w of (1 + w); GGUF stores the sum.
#include <cmath>

#include "ken/base/error.h"
#include "ken/model/arch.h"

namespace ken::model {
namespace {

void shape(Config& c) {
  c.post_norm = true;
  c.activation = Activation::gelu_tanh;
  c.embed_scale = std::sqrt(double(c.d_model));
}

// GGUF has no key for the query's scale: of the published sizes only 27B does not divide by sqrt(d_head).
void from_gguf(const io::TensorFile& file, Config& c) {
  shape(c);
  c.windows = every_other_window(c, file.metadata.integer("gemma2.attention.sliding_window", 4096), 2);
  if (c.n_layers == 46) c.attn_scale = 1 / std::sqrt(double(c.d_model) / double(c.n_heads));
}

void from_hf(const Json& json, Config& c) {
  shape(c);
  c.norm_plus_one = true;
  c.tied = hf_flag(json, "tie_word_embeddings", true);
  c.activation = hf_activation(hf_text(json, "hidden_activation", "gelu_pytorch_tanh"));
  c.attn_cap = hf_number(json, "attn_logit_softcapping", 0);
  c.final_cap = hf_number(json, "final_logit_softcapping", 0);
  c.attn_scale = 1 / std::sqrt(hf_number(json, "query_pre_attn_scalar", 256));
  if (c.windows.empty()) c.windows = every_other_window(c, hf_integer(json, "sliding_window", 4096), 2);
}

void hf_source(const Config&, const std::string& name, Source& source) {
  const auto [layer, part] = split_name(name);
  if (part == "ln2.w") source.name = fmt::format("model.layers.{}.pre_feedforward_layernorm.weight", layer);
}

void write_config(const Config& c, io::Metadata& metadata) {
  const double standard = 1 / std::sqrt(c.n_layers == 46 ? double(c.d_model) / double(c.n_heads) : double(c.d_head));
  if (c.attn_scale != 0 && std::abs(c.attn_scale - standard) > 1e-9)
    fail("gemma2", "GGUF has no key for a query scale of {}; keep the Hugging Face folder", c.attn_scale);
  metadata.values["gemma2.attention.sliding_window"] = c.window(0);
}

const Register<Arch> entry{
    {.card = {.id = "gemma2",
              .family = "arch",
              .title = "Gemma 2",
              .paper = "arXiv 2408.00118",
              .sentence = "Soft caps, local and global layers, norms before and after each module.",
              .example = "ken inspect model.gguf"},
     .model_types = {"gemma2"},
     .from_gguf = from_gguf,
     .from_hf = from_hf,
     .hf_source = hf_source,
     .write_config = write_config}};

}  // namespace
}  // namespace ken::model
