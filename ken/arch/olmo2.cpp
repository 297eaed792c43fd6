// OLMo 2 (arXiv 2501.00656): norms of each module's output instead of its input, and of all heads' q and k together.
#include "ken/base/error.h"
#include "ken/model/arch.h"

namespace ken::model::olmo2_file {
namespace {

void shape(Config& c) {
  c.pre_norm = false;
  c.post_norm = true;
  c.qk_norm = QkNorm::whole;
}

// llama.cpp calls OLMo 3 olmo2, too.
void from_gguf(const io::TensorFile& file, Config& c) {
  shape(c);
  if (file.metadata.integer("olmo2.attention.sliding_window", 0) > 0)
    fail("olmo2", "olmo2.attention.sliding_window is set: this is OLMo 3, which is not supported");
}

void from_hf(const Json& json, Config& c) {
  shape(c);
  if (!json.contains("rms_norm_eps")) c.norm_eps = 1e-5;
}

const Register<Arch> entry{{.card = {.id = "olmo2",
                                     .family = "arch",
                                     .title = "OLMo 2",
                                     .paper = "arXiv 2501.00656",
                                     .sentence = "Norms after each module, and of q and k.",
                                     .example = "ken inspect model.gguf"},
                            .model_types = {"olmo2"},
                            .from_gguf = from_gguf,
                            .from_hf = from_hf}};

}  // namespace
}  // namespace ken::model::olmo2_file
