// Mistral (Jiang et al., arXiv 2310.06825): Llama with a window on attention at every layer.
#include "ken/model/arch.h"

namespace ken::model {
namespace {

void from_hf(const Json& json, Config& c) {
  if (c.windows.empty()) c.windows = same_window(c, hf_integer(json, "sliding_window", 0));
}

void write_config(const Config& c, io::Metadata& metadata) {
  if (c.window(0) > 0) metadata.values["llama.attention.sliding_window"] = c.window(0);
}

const Register<Arch> entry{{.card = {.id = "mistral",
                                     .family = "arch",
                                     .title = "Mistral",
                                     .paper = "arXiv 2310.06825",
                                     .sentence = "Llama with a window on attention.",
                                     .example = "ken inspect model.gguf"},
                            .gguf = "llama",
                            .model_types = {"mistral"},
                            .gguf_interleaved = true,
                            .from_hf = from_hf,
                            .write_config = write_config}};

}  // namespace
}  // namespace ken::model
