// SmolLM3: Llama without positions at every fourth layer (NoPE, arXiv 2501.18795).
#include "ken/base/error.h"
#include "ken/model/arch.h"

namespace ken::model::smollm3_file {
namespace {

constexpr int64_t period = 4;

void skip_every(Config& c, int64_t layers) {
  if (layers < 1) fail("smollm3", "a layer without positions every {} layers", layers);
  for (int64_t l = 0; l < std::clamp<int64_t>(c.n_layers, 0, 4096); ++l)
    c.rope_skip.push_back(l % layers == layers - 1);
}

void from_gguf(const io::TensorFile&, Config& c) { skip_every(c, period); }

// no_rope_layers holds 1 where there are positions.
void read_skips(const Json& json, Config& c) {
  const Json turned = json.value("no_rope_layers", Json());
  if (turned.is_null()) return skip_every(c, hf_integer(json, "no_rope_layer_interval", period));
  if (!turned.is_array()) fail("smollm3", "config.json: no_rope_layers is {}, not a list", turned.type_name());
  for (const Json& layer : turned) {
    if (!layer.is_boolean() && layer != 0 && layer != 1)
      fail("smollm3", "config.json: no_rope_layers holds {}; it takes 1 with positions, 0 without",
           layer.dump().substr(0, 80));
    c.rope_skip.push_back(layer == 0 || layer == false);
  }
}

void from_hf(const Json& json, Config& c) {
  c.tied = hf_flag(json, "tie_word_embeddings", true);
  if (!json.contains("rope_theta") && !json.contains("rope_parameters")) c.rope_base = 2e6;
  read_skips(json, c);
  const int64_t window = hf_integer(json, "sliding_window", 0);
  if (!c.windows.empty() || window <= 0 || !hf_flag(json, "use_sliding_window", false)) return;
  for (const bool skipped : c.rope_skip) c.windows.push_back(skipped ? window : 0);
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
}  // namespace ken::model::smollm3_file
