// Names of tensors in files, where families agree. ken's names are TransformerLens's; gains end in ".w" and ".b".
#include <map>

#include "ken/base/error.h"
#include "ken/model/arch.h"

namespace ken::model {
namespace {

struct Names {
  const char *gguf, *hf;  // without ".weight" or ".bias"
};

const std::map<std::string, Names>& outside() {
  static const std::map<std::string, Names> names{{"embed.W_E", {"token_embd", "model.embed_tokens"}},
                                                  {"pos_embed.W_pos", {"position_embd", "model.embed_positions"}},
                                                  {"unembed.W_U", {"output", "lm_head"}},
                                                  {"ln_final", {"output_norm", "model.norm"}}};
  return names;
}

const std::map<std::string, Names>& inside() {
  static const std::map<std::string, Names> names{{"attn.W_Q", {"attn_q", "self_attn.q_proj"}},
                                                  {"attn.W_K", {"attn_k", "self_attn.k_proj"}},
                                                  {"attn.W_V", {"attn_v", "self_attn.v_proj"}},
                                                  {"attn.W_O", {"attn_output", "self_attn.o_proj"}},
                                                  {"attn.q_norm", {"attn_q_norm", "self_attn.q_norm"}},
                                                  {"attn.k_norm", {"attn_k_norm", "self_attn.k_norm"}},
                                                  {"mlp.W_gate", {"ffn_gate", "mlp.gate_proj"}},
                                                  {"mlp.W_in", {"ffn_up", "mlp.up_proj"}},
                                                  {"mlp.W_out", {"ffn_down", "mlp.down_proj"}},
                                                  {"mlp.W_router", {"ffn_gate_inp", "mlp.gate"}},
                                                  {"ln1", {"attn_norm", "input_layernorm"}},
                                                  {"ln2", {"ffn_norm", "post_attention_layernorm"}},
                                                  {"ln1_post", {"post_attention_norm", "post_attention_layernorm"}},
                                                  {"ln2_post", {"post_ffw_norm", "post_feedforward_layernorm"}}};
  return names;
}

// The name without its ending, and the ending of files: a matrix is ".weight", "x.w" and "x.b" are weight and bias.
std::pair<std::string, std::string> split_ending(const std::string& name) {
  if (name.ends_with(".w")) return {name.substr(0, name.size() - 2), ".weight"};
  if (name.ends_with(".b")) return {name.substr(0, name.size() - 2), ".bias"};
  return {name, ".weight"};
}

// "mlp.experts.7.W_gate": GGUF stacks the experts in one tensor, Hugging Face numbers them.
Source expert_source(int64_t layer, const std::string& part, bool gguf) {
  const size_t dot = part.find('.', 12);
  const int64_t expert = std::stoll(part.substr(12, dot - 12));
  const Names& names = inside().at("mlp." + part.substr(dot + 1));
  if (gguf) {
    Source source{fmt::format("blk.{}.{}_exps.weight", layer, names.gguf)};
    source.expert = expert;
    return source;
  }
  return {fmt::format("model.layers.{}.mlp.experts.{}.{}.weight", layer, expert, names.hf + 4)};
}

Source usual(const std::string& name, const char* Names::*format, const char* block) {
  const auto [layer, part] = split_name(name);
  if (part.starts_with("mlp.experts.")) return expert_source(layer, part, format == &Names::gguf);
  const auto [stem, ending] = split_ending(part);
  const auto& names = layer < 0 ? outside() : inside();
  const auto found = names.find(stem);
  if (found == names.end()) return {};  // a family with such a tensor names it itself
  return {(layer < 0 ? "" : fmt::format("{}.{}.", block, layer)) + found->second.*format + ending};
}

}  // namespace

std::pair<int64_t, std::string> split_name(const std::string& name) {
  if (!name.starts_with("blocks.")) return {-1, name};
  const size_t dot = name.find('.', 7);
  return {std::stoll(name.substr(7, dot - 7)), name.substr(dot + 1)};
}

bool take_qkv(const Config& c, const std::string& part, const std::string& name, Source& source) {
  const int64_t q = c.n_heads * c.d_head, kv = c.n_kv_heads * c.d_head;
  const int64_t first = part == "attn.W_Q" ? 0 : part == "attn.W_K" ? q : part == "attn.W_V" ? q + kv : -1;
  if (first < 0) return false;
  source.name = name;
  source.first = first;
  source.total = q + 2 * kv;
  return true;
}

Source usual_gguf_source(const std::string& name) { return usual(name, &Names::gguf, "blk"); }
Source usual_hf_source(const std::string& name) { return usual(name, &Names::hf, "model.layers"); }

}  // namespace ken::model
