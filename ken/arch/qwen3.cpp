// Qwen3 (arXiv 2505.09388): Llama with a norm of each head's q and k.
#include "ken/model/arch.h"

namespace ken::model::qwen3_file {
namespace {

void from_gguf(const io::TensorFile&, Config& c) { c.qk_norm = QkNorm::head; }

void from_hf(const Json& json, Config& c) {
  c.qk_norm = QkNorm::head;
  if (!json.contains("head_dim")) c.d_head = c.rope_width = 128;
  c.windows = late_windows(json, c);
}

const Register<Arch> entry{{.card = {.id = "qwen3",
                                     .family = "arch",
                                     .title = "Qwen3",
                                     .paper = "arXiv 2505.09388",
                                     .sentence = "Llama with a norm of each head's q and k.",
                                     .example = "ken inspect model.gguf"},
                            .model_types = {"qwen3"},
                            .from_gguf = from_gguf,
                            .from_hf = from_hf}};

}  // namespace
}  // namespace ken::model::qwen3_file
