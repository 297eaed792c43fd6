// What Gemma 2 and Gemma 3 have in common.
#pragma once
#include <cmath>

#include "ken/base/error.h"
#include "ken/model/arch.h"

namespace ken::model::gemma {

inline void shape(Config& c) {
  c.post_norm = true;
  c.activation = Activation::gelu_tanh;
  c.embed_scale = std::sqrt(double(c.d_model));
}

// GGUF has no key for the query's scale: of the published sizes only 27B does not divide by sqrt(d_head), and readers
// know it by its number of layers.
inline void scale_by_size(Config& c, int64_t layers_of_27b) {
  if (c.n_layers == layers_of_27b) c.attn_scale = 1 / std::sqrt(double(c.d_model) / double(c.n_heads));
}

// Hugging Face stores w of (1 + w); GGUF stores the sum.
inline void from_hf(const Json& json, Config& c) {
  shape(c);
  c.norm_plus_one = true;
  c.tied = hf_flag(json, "tie_word_embeddings", true);
  c.activation = hf_activation(hf_text(json, "hidden_activation", "gelu_pytorch_tanh"));
  c.attn_cap = hf_number(json, "attn_logit_softcapping", 0);
  c.final_cap = hf_number(json, "final_logit_softcapping", 0);
  c.attn_scale = 1 / std::sqrt(hf_number(json, "query_pre_attn_scalar", 256));
}

inline void hf_source(const Config&, const std::string& name, Source& source) {
  const auto [layer, part] = split_name(name);
  if (part == "ln2.w") source.name = fmt::format("model.layers.{}.pre_feedforward_layernorm.weight", layer);
}

}  // namespace ken::model::gemma
