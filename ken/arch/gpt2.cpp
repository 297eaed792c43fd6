// GPT-2 (Radford et al. 2019): learned positions, LayerNorm, one ungated layer of GELU, q, k and v in one matrix that
// Hugging Face stores as [in, out].
#include "ken/base/error.h"
#include "ken/model/arch.h"

namespace ken::model::gpt2_file {
namespace {

void shape(Config& c) {
  c.learned_positions = true;
  c.rope_width = 0;
  c.norm = NormKind::layer;
  c.gated = false;
  c.activation = Activation::gelu_tanh;
  c.qkv_bias = c.out_bias = c.mlp_bias = true;
}

void from_gguf(const io::TensorFile&, Config& c) { shape(c); }

// config.json has names of its own for everything.
Json usual_keys(const Json& json) {
  Json usual = json;
  const std::pair<const char*, const char*> names[] = {{"n_embd", "hidden_size"},
                                                       {"n_layer", "num_hidden_layers"},
                                                       {"n_head", "num_attention_heads"},
                                                       {"n_positions", "max_position_embeddings"},
                                                       {"layer_norm_epsilon", "layer_norm_eps"},
                                                       {"activation_function", "hidden_act"}};
  for (const auto& [own, name] : names)
    if (json.contains(own)) usual[name] = json[own];
  usual["intermediate_size"] = hf_integer(json, "n_inner", 4 * hf_integer(json, "n_embd"));
  return usual;
}

void from_hf(const Json& json, Config& c) {
  const Activation activation = c.activation;
  shape(c);
  c.activation = activation;
  c.tied = hf_flag(json, "tie_word_embeddings", true);
  if (hf_flag(json, "scale_attn_by_inverse_layer_idx", false) || !hf_flag(json, "scale_attn_weights", true))
    fail("gpt2", "scale_attn_by_inverse_layer_idx and unscaled attention are not supported");
}

// Rows of q, k and v in the matrix that holds all three.
void gguf_source(const Config& c, const std::string& name, Source& source) {
  const auto [layer, part] = split_name(name);
  take_qkv(c, part, fmt::format("blk.{}.attn_qkv.weight", layer), source);
}

void hf_source(const Config& c, const std::string& name, Source& source) {
  const auto [layer, part] = split_name(name);
  if (layer < 0) {
    source.name = name == "embed.W_E"         ? "transformer.wte.weight"
                  : name == "pos_embed.W_pos" ? "transformer.wpe.weight"
                  : name == "unembed.W_U"     ? "lm_head.weight"
                  : name == "ln_final.w"      ? "transformer.ln_f.weight"
                                              : "transformer.ln_f.bias";
    return;
  }
  const std::string at = fmt::format("transformer.h.{}.", layer);
  if (part.starts_with("ln")) {
    source.name = at + (part.starts_with("ln1") ? "ln_1" : "ln_2") + (part.ends_with(".w") ? ".weight" : ".bias");
    return;
  }
  source.transposed = true;
  if (take_qkv(c, part, at + "attn.c_attn.weight", source)) return;
  source.name = at + (part == "attn.W_O"   ? "attn.c_proj.weight"
                      : part == "mlp.W_in" ? "mlp.c_fc.weight"
                                           : "mlp.c_proj.weight");
}

const Register<Arch> entry{
    {.card = {.id = "gpt2",
              .family = "arch",
              .title = "GPT-2",
              .paper = "Radford et al. 2019, Language Models are Unsupervised Multitask Learners",
              .sentence = "Learned positions, LayerNorm and GELU.",
              .example = "ken inspect model.gguf"},
     .model_types = {"gpt2"},
     .from_gguf = from_gguf,
     .hf_keys = usual_keys,
     .from_hf = from_hf,
     .gguf_source = gguf_source,
     .hf_source = hf_source}};

}  // namespace
}  // namespace ken::model::gpt2_file
