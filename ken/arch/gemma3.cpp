// Gemma 3 (arXiv 2503.19786), its text model: five layers with a window, then one without; the first turn with a base
// of their own; a norm of each head's q and k.
#include "ken/arch/gemma.h"

namespace ken::model {
namespace {

constexpr int64_t period = 6;

void from_gguf(const io::TensorFile& file, Config& c) {
  gemma::shape(c);
  gemma::scale_by_size(c, 62);
  c.qk_norm = QkNorm::head;
  const io::Metadata& m = file.metadata;  // the keys with "global" and "local" are Ollama's
  c.rope_base = m.number("gemma3.rope.freq_base", m.number("gemma3.rope.global.freq_base", 1e6));
  c.rope_local_base = m.number("gemma3.rope.freq_base_swa", m.number("gemma3.rope.local.freq_base", 10000));
  c.windows = every_other_window(c, m.integer("gemma3.attention.sliding_window", 1024), period);
}

void from_hf(const Json& json, Config& c) {
  gemma::from_hf(json, c);
  c.qk_norm = QkNorm::head;
  if (!json.contains("rope_theta")) c.rope_base = 1e6;
  c.rope_local_base = hf_number(json, "rope_local_base_freq", 10000);
  if (c.windows.empty())
    c.windows = every_other_window(c, hf_integer(json, "sliding_window", 4096),
                                   hf_integer(json, "sliding_window_pattern", period));
}

void write_config(const Config& c, io::Metadata& metadata) {
  metadata.values["gemma3.rope.freq_base_swa"] = double(float(c.rope_local_base));
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
     .hf_source = gemma::hf_source,
     .write_config = write_config}};

}  // namespace
}  // namespace ken::model
