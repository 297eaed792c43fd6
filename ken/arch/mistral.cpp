// Mistral (Jiang et al., arXiv 2310.06825): Llama with a window on attention at every layer.
#include "ken/model/arch.h"

namespace ken::model::mistral_file {
namespace {

void from_hf(const Json& json, Config& c) { c.windows = hf_window(json, c); }

const Register<Arch> entry{{.card = {.id = "mistral",
                                     .family = "arch",
                                     .title = "Mistral",
                                     .paper = "arXiv 2310.06825",
                                     .sentence = "Llama with a window on attention.",
                                     .example = "ken inspect model.gguf"},
                            .gguf = "llama",
                            .model_types = {"mistral"},
                            .gguf_interleaved = true,
                            .from_hf = from_hf}};

}  // namespace
}  // namespace ken::model::mistral_file
