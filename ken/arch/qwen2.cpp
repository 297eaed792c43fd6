// Qwen2 and Qwen2.5 (arXiv 2407.10671): Llama with biases on q, k and v.
#include "ken/model/arch.h"

namespace ken::model::qwen2_file {
namespace {

void from_hf(const Json& json, Config& c) {
  c.qkv_bias = true;
  c.out_bias = false;
  c.windows = late_windows(json, c);
}

const Register<Arch> entry{{.card = {.id = "qwen2",
                                     .family = "arch",
                                     .title = "Qwen2",
                                     .paper = "arXiv 2407.10671",
                                     .sentence = "Llama with biases on q, k and v.",
                                     .example = "ken inspect model.gguf"},
                            .model_types = {"qwen2"},
                            .from_hf = from_hf}};

}  // namespace
}  // namespace ken::model::qwen2_file
