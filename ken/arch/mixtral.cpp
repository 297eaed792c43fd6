// Mixtral (Jiang et al., arXiv 2401.04088): Mistral with a sparse mixture of feed-forward experts.
#include "ken/model/arch.h"

namespace ken::model::mixtral_file {
namespace {

void from_hf(const Json& json, Config& c) {
  c.windows = hf_window(json, c);
  if (!json.contains("rms_norm_eps")) c.norm_eps = 1e-5;
  if (!json.contains("rope_theta") && !json.contains("rope_parameters")) c.rope_base = 1e6;
  c.n_experts = hf_integer(json, "num_local_experts", 8);
  c.n_experts_used = hf_integer(json, "num_experts_per_tok", 2);
}

// block_sparse_moe.gate, and w1, w3, w2 for the experts' gate, up and down.
void hf_source(const Config&, const std::string& name, Source& source) {
  const auto [layer, part] = split_name(name);
  const std::string moe = fmt::format("model.layers.{}.block_sparse_moe.", layer);
  if (part == "mlp.W_router") source.name = moe + "gate.weight";
  if (!part.starts_with("mlp.experts.")) return;
  const std::string expert = part.substr(4, part.rfind('.') - 4);
  source.name = moe + expert +
                (part.ends_with("W_gate") ? ".w1.weight"
                 : part.ends_with("W_in") ? ".w3.weight"
                                          : ".w2.weight");
}

const Register<Arch> entry{{.card = {.id = "mixtral",
                                     .family = "arch",
                                     .title = "Mixtral",
                                     .paper = "arXiv 2401.04088",
                                     .sentence = "A sparse mixture of feed-forward experts.",
                                     .example = "ken inspect model.gguf"},
                            .gguf = "llama",
                            .model_types = {"mixtral"},
                            .gguf_interleaved = true,
                            .from_hf = from_hf,
                            .hf_source = hf_source}};

}  // namespace
}  // namespace ken::model::mixtral_file
