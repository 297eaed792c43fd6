// Llama 1-3.x, TinyLlama, SmolLM2 and ken's own organisms (Touvron et al., arXiv 2302.13971): RMSNorm, rotary
// positions, SwiGLU, grouped-query attention. GGUF stores q and k rows in the interleaved rotary order, and calls
// Mistral and Mixtral llama, too (without Mistral's window).
#include "ken/model/arch.h"

namespace ken::model::llama_file {
namespace {

void from_gguf(const io::TensorFile& file, Config& c) {
  c.windows = same_window(c, file.metadata.integer("llama.attention.sliding_window", 0));
}

const Register<Arch> entry{{.card = {.id = "llama",
                                     .family = "arch",
                                     .title = "Llama",
                                     .paper = "arXiv 2302.13971",
                                     .sentence = "RMSNorm, rotary positions, SwiGLU and grouped-query attention.",
                                     .example = "ken inspect model.gguf"},
                            .model_types = {"llama"},
                            .gguf_interleaved = true,
                            .from_gguf = from_gguf}};

}  // namespace
}  // namespace ken::model::llama_file
