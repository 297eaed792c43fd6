// Gemma 2 (arXiv 2408.00118): soft caps on scores and logits, a window at every other layer, norms before and after
// each module, the embedding scaled by sqrt(d_model).
#include "ken/arch/gemma.h"

namespace ken::model::gemma2_file {
namespace {

void from_gguf(const io::TensorFile& file, Config& c) {
  gemma::shape(c);
  gemma::scale_by_size(c, 46);
  if (!file.metadata.has("gemma2.attn_logit_softcapping")) c.attn_cap = 50;  // the first files had no keys for them
  if (!file.metadata.has("gemma2.final_logit_softcapping")) c.final_cap = 30;
  c.windows = every_other_window(c, file.metadata.integer("gemma2.attention.sliding_window", 4096), 2);
}

void from_hf(const Json& json, Config& c) {
  gemma::from_hf(json, c);
  if (!json.contains("attn_logit_softcapping")) c.attn_cap = 50;
  if (!json.contains("final_logit_softcapping")) c.final_cap = 30;
  if (c.windows.empty()) c.windows = every_other_window(c, hf_integer(json, "sliding_window", 4096), 2);
}

const Register<Arch> entry{
    {.card = {.id = "gemma2",
              .family = "arch",
              .title = "Gemma 2",
              .paper = "arXiv 2408.00118",
              .sentence = "Soft caps, local and global layers, norms before and after each module.",
              .example = "ken inspect model.gguf"},
     .model_types = {"gemma2"},
     .from_gguf = from_gguf,
     .from_hf = from_hf,
     .hf_source = gemma::hf_source}};

}  // namespace
}  // namespace ken::model::gemma2_file
