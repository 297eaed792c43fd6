// Phi-3, Phi-3.5 and Phi-4-mini (arXiv 2404.14219): Llama with q, k, v and gate, up in one matrix each, and longrope.
#include "ken/model/arch.h"

namespace ken::model {
namespace {

void from_gguf(const io::TensorFile& file, Config& c) {
  c.windows = same_window(c, file.metadata.integer("phi3.attention.sliding_window", 0));
}

void from_hf(const Json& json, Config& c) {
  if (c.windows.empty()) c.windows = same_window(c, hf_integer(json, "sliding_window", 0));
  if (!json.contains("rms_norm_eps")) c.norm_eps = 1e-5;
}

void take_part(const Config& c, const std::string& name, Source& source, const char* qkv, const char* gate_up) {
  const auto [layer, part] = split_name(name);
  const int64_t q = c.n_heads * c.d_head, kv = c.n_kv_heads * c.d_head;
  const auto fused = [&](const char* stem, int64_t first, int64_t total) {
    source.name = fmt::format(fmt::runtime(stem), layer);
    source.first = first;
    source.total = total;
  };
  if (part == "attn.W_Q") fused(qkv, 0, q + 2 * kv);
  if (part == "attn.W_K") fused(qkv, q, q + 2 * kv);
  if (part == "attn.W_V") fused(qkv, q + kv, q + 2 * kv);
  if (part == "mlp.W_gate") fused(gate_up, 0, 2 * c.d_ff);
  if (part == "mlp.W_in") fused(gate_up, c.d_ff, 2 * c.d_ff);
}

void gguf_source(const Config& c, const std::string& name, Source& source) {
  take_part(c, name, source, "blk.{}.attn_qkv.weight", "blk.{}.ffn_up.weight");
}
void hf_source(const Config& c, const std::string& name, Source& source) {
  take_part(c, name, source, "model.layers.{}.self_attn.qkv_proj.weight", "model.layers.{}.mlp.gate_up_proj.weight");
}

void write_config(const Config& c, io::Metadata& metadata) {
  if (c.window(0) > 0) metadata.values["phi3.attention.sliding_window"] = c.window(0);
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
                            .hf_source = hf_source,
                            .write_config = write_config}};

}  // namespace
}  // namespace ken::model
