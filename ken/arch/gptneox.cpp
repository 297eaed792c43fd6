// GPT-NeoX and Pythia (Black et al., arXiv 2204.06745): attention and feed-forward read the same stream, part of each
// head is turned, LayerNorm. Hugging Face keeps q, k and v of a head together.
#include "ken/model/arch.h"

namespace ken::model::gptneox_file {
namespace {

void shape(Config& c) {
  c.norm = NormKind::layer;
  c.gated = false;
}

void from_gguf(const io::TensorFile& file, Config& c) {
  shape(c);
  c.activation = Activation::gelu;
  c.parallel = file.metadata.flag("gptneox.use_parallel_residual", true);
}

void from_hf(const Json& json, Config& c) {
  shape(c);
  c.parallel = hf_flag(json, "use_parallel_residual", true);
  if (!json.contains("hidden_act")) c.activation = Activation::gelu;
  if (!json.contains("layer_norm_eps")) c.norm_eps = 1e-5;
  if (!json.contains("rotary_pct") && !json.contains("rope_parameters")) c.rope_width = c.d_head / 8 * 2;
  c.qkv_bias = c.out_bias = hf_flag(json, "attention_bias", true);
  c.mlp_bias = true;
}

void gguf_source(const Config& c, const std::string& name, Source& source) {
  const auto [layer, part] = split_name(name);
  take_qkv(c, part, fmt::format("blk.{}.attn_qkv.weight", layer), source);
}

void hf_source(const Config& c, const std::string& name, Source& source) {
  const auto [layer, part] = split_name(name);
  if (layer < 0) {
    source.name = name == "embed.W_E"     ? "gpt_neox.embed_in.weight"
                  : name == "unembed.W_U" ? "embed_out.weight"
                  : name == "ln_final.w"  ? "gpt_neox.final_layer_norm.weight"
                                          : "gpt_neox.final_layer_norm.bias";
    return;
  }
  const std::string at = fmt::format("gpt_neox.layers.{}.", layer);
  if (part.starts_with("ln")) {
    source.name = at + (part.starts_with("ln1") ? "input_layernorm" : "post_attention_layernorm") +
                  (part.ends_with(".w") ? ".weight" : ".bias");
  } else if (take_qkv(c, part, at + "attention.query_key_value.weight", source)) {
    // Each head's q, k and v lie together.
    source.first = source.first / c.n_heads;
    source.run = c.d_head;
    source.stride = 3 * c.d_head;
  } else {
    source.name = at + (part == "attn.W_O"   ? "attention.dense.weight"
                        : part == "mlp.W_in" ? "mlp.dense_h_to_4h.weight"
                                             : "mlp.dense_4h_to_h.weight");
  }
}

void write_config(const Config& c, io::Metadata& metadata) {
  metadata.values["gptneox.use_parallel_residual"] = c.parallel;
}

const Register<Arch> entry{{.card = {.id = "gptneox",
                                     .family = "arch",
                                     .title = "GPT-NeoX",
                                     .paper = "arXiv 2204.06745",
                                     .sentence = "Parallel residual, partly turned heads, LayerNorm.",
                                     .example = "ken inspect model.gguf"},
                            .model_types = {"gpt_neox"},
                            .from_gguf = from_gguf,
                            .from_hf = from_hf,
                            .gguf_source = gguf_source,
                            .hf_source = hf_source,
                            .write_config = write_config}};

}  // namespace
}  // namespace ken::model::gptneox_file
