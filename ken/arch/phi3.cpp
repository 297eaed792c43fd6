// Phi-3, Phi-3.5 and Phi-4-mini (arXiv 2404.14219): Llama with q, k, v and gate, up in one matrix each, and longrope.
#include "ken/base/error.h"
#include "ken/model/arch.h"

namespace ken::model::phi3_file {
namespace {

void from_gguf(const io::TensorFile& file, Config& c) {
  c.windows = same_window(c, file.metadata.integer("phi3.attention.sliding_window", 0));
}

void from_hf(const Json& json, Config& c) {
  c.windows = hf_window(json, c);
  if (!json.contains("rms_norm_eps")) c.norm_eps = 1e-5;
}

// Rows of gate and up, which lie one after another.
void take_gate_up(const Config& c, const std::string& part, const std::string& name, Source& source) {
  if (part != "mlp.W_gate" && part != "mlp.W_in") return;
  source.name = name;
  source.first = part == "mlp.W_gate" ? 0 : c.d_ff;
  source.total = 2 * c.d_ff;
}

void gguf_source(const Config& c, const std::string& name, Source& source) {
  const auto [layer, part] = split_name(name);
  take_qkv(c, part, fmt::format("blk.{}.attn_qkv.weight", layer), source);
  take_gate_up(c, part, fmt::format("blk.{}.ffn_up.weight", layer), source);
}
void hf_source(const Config& c, const std::string& name, Source& source) {
  const auto [layer, part] = split_name(name);
  take_qkv(c, part, fmt::format("model.layers.{}.self_attn.qkv_proj.weight", layer), source);
  take_gate_up(c, part, fmt::format("model.layers.{}.mlp.gate_up_proj.weight", layer), source);
}

const Register<Arch> entry{{.card = {.id = "phi3",
                                     .family = "arch",
                                     .title = "Phi-3",
                                     .paper = "arXiv 2404.14219",
                                     .sentence = "Llama with fused matrices and longrope.",
                                     .example = "ken inspect model.gguf"},
                            .model_types = {"phi3"},
                            .from_gguf = from_gguf,
                            .from_hf = from_hf,
                            .gguf_source = gguf_source,
                            .hf_source = hf_source}};

}  // namespace
}  // namespace ken::model::phi3_file
