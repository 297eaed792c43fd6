// SmolLM3: Llama without positions at every fourth layer (NoPE, arXiv 2501.18795).
#include "ken/model/arch.h"

namespace ken::model {
namespace {

constexpr int64_t period = 4;

void skip_every_fourth(Config& c) {
  for (int64_t l = 0; l < std::clamp<int64_t>(c.n_layers, 0, 4096); ++l)
    c.rope_skip.push_back(l % period == period - 1);
}

void from_gguf(const io::TensorFile&, Config& c) { skip_every_fourth(c); }

void from_hf(const Json& json, Config& c) {
  c.tied = hf_flag(json, "tie_word_embeddings", true);
  const Json turned = json.value("no_rope_layers", Json());  // 1 where there are positions
  if (!turned.is_array() || turned.empty()) return skip_every_fourth(c);
  for (const Json& layer : turned) c.rope_skip.push_back(layer == 0);
}

const Register<Arch> entry{{.card = {.id = "smollm3",
                                     .family = "arch",
                                     .title = "SmolLM3",
                                     .paper = "arXiv 2501.18795",
                                     .sentence = "Llama without positions at every fourth layer.",
                                     .example = "ken inspect model.gguf"},
                            .model_types = {"smollm3"},
                            .gguf_interleaved = true,
                            .from_gguf = from_gguf,
                            .from_hf = from_hf}};

}  // namespace
}  // namespace ken::model
