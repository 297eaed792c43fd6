// Gemma 3 (arXiv 2503.19786), its text model, also out of a multimodal folder: five layers with a window, then one
// without; the first turn with a base of their own; a norm of each head's q and k.
#include "ken/arch/gemma.h"

namespace ken::model::gemma3_file {
namespace {

constexpr int64_t period = 6;

// GGUF says every how many layers one has no window, or which have one.
std::vector<int64_t> gguf_windows(const io::Metadata& m, const Config& c) {
  const int64_t window = m.integer("gemma3.attention.sliding_window", 0);
  const std::string key = "gemma3.attention.sliding_window_pattern";
  const auto found = m.values.find(key);
  if (window <= 0) return {};
  if (found == m.values.end() || !std::holds_alternative<std::vector<bool>>(found->second))
    return every_other_window(c, window, m.integer(key, period));
  std::vector<int64_t> windows;
  for (const bool local : std::get<std::vector<bool>>(found->second)) windows.push_back(local ? window : 0);
  return windows;
}

void from_gguf(const io::TensorFile& file, Config& c) {
  const io::Metadata& m = file.metadata;  // the keys with "global" and "local" are Ollama's
  gemma::shape(c);
  gemma::scale_by_size(c, 62);
  c.qk_norm = QkNorm::head;
  c.rope_base = m.number("gemma3.rope.freq_base", m.number("gemma3.rope.global.freq_base", 1e6));
  c.rope_local_base = m.number("gemma3.rope.freq_base_swa", m.number("gemma3.rope.local.freq_base", 10000));
  c.windows = gguf_windows(m, c);
}

// transformers 5 has rope parameters for each type of layer; those of local layers are only a base.
void flatten_rope(Json& usual) {
  const Json rope = usual.value("rope_parameters", Json());
  if (!rope.is_object() || !(rope.contains("full_attention") || rope.contains("sliding_attention"))) return;
  const Json full = rope.value("full_attention", Json()), local = rope.value("sliding_attention", Json());
  usual["rope_parameters"] = full;
  if (local.is_null()) return;
  if (!local.is_object() || hf_text(local, "rope_type", hf_text(local, "type", "default")) != "default")
    fail("gemma3", "config.json: rope_parameters of sliding_attention are {}; only rope type default is supported",
         local.dump().substr(0, 200));
  usual["rope_local_base_freq"] = hf_number(local, "rope_theta", 10000);
}

// A multimodal folder keeps the text model's keys in text_config, less those that have their standard.
Json usual_keys(const Json& json) {
  static const Json standards{{"vocab_size", 262208},      {"hidden_size", 2304},
                              {"intermediate_size", 9216}, {"num_hidden_layers", 26},
                              {"num_attention_heads", 8},  {"num_key_value_heads", 4},
                              {"head_dim", 256},           {"max_position_embeddings", 131072},
                              {"rms_norm_eps", 1e-6},      {"rope_theta", 1e6}};
  Json usual = json;
  if (const auto text = json.find("text_config"); text != json.end()) {
    if (!text->is_object()) fail("gemma3", "config.json: text_config is {}, not an object", text->type_name());
    usual.update(*text);
  }
  flatten_rope(usual);
  for (const auto& [key, value] : standards.items())
    if (!usual.contains(key) || usual[key].is_null()) usual[key] = value;
  return usual;
}

// attn_logit_softcapping is a key that transformers reads and does not use.
void from_hf(const Json& json, Config& c) {
  gemma::from_hf(json, c);
  c.qk_norm = QkNorm::head;
  c.attn_cap = 0;
  c.rope_local_base = hf_number(json, "rope_local_base_freq", 10000);
  if (c.windows.empty())
    c.windows = every_other_window(c, hf_integer(json, "sliding_window", 4096),
                                   hf_integer(json, "sliding_window_pattern", period));
}

void write_config(const Config& c, io::Metadata& metadata) {
  if (c.rope_local_base > 0) metadata.values["gemma3.rope.freq_base_swa"] = double(float(c.rope_local_base));
}

const Register<Arch> entry{
    {.card = {.id = "gemma3",
              .family = "arch",
              .title = "Gemma 3",
              .paper = "arXiv 2503.19786",
              .sentence = "Local and global layers with rotary bases of their own, norms of q and k.",
              .example = "ken inspect model.gguf"},
     .model_types = {"gemma3_text", "gemma3"},
     .from_gguf = from_gguf,
     .hf_keys = usual_keys,
     .from_hf = from_hf,
     .hf_source = gemma::hf_source,
     .write_config = write_config}};

}  // namespace
}  // namespace ken::model::gemma3_file
