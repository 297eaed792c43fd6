// The shape of a model: everything the one forward pass needs to know. Letters as in the field.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

namespace ken::model {

enum class NormKind { rms, layer };               // layer: mean and bias, too
enum class Activation { silu, gelu_tanh, gelu };  // gelu_tanh: the approximation by tanh
enum class QkNorm { none, head, whole };          // of a head's values, or of all heads' together

struct Config {
  std::string arch = "llama", name;
  int64_t n_layers = 0, d_model = 0, n_heads = 0, n_kv_heads = 0, d_head = 0, d_ff = 0, vocab = 0, context = 0;
  double norm_eps = 1e-5;
  bool tied = false;  // the output matrix is the embedding

  // Positions: rotary, or a learned table (then rope_width is 0).
  bool learned_positions = false;
  double rope_base = 10000;
  int64_t rope_width = 0;                // how much of a head is turned; usually d_head
  bool rope_interleaved = true;          // pairs (2i, 2i+1), as GGUF's llama rows are ordered; else (i, i + width/2)
  std::vector<float> rope_factors;       // divide the frequencies (llama3, YaRN, longrope's short ones); may be empty
  double rope_scale = 1;                 // positions are divided by it (linear scaling)
  double rope_magnitude = 1;             // cos and sin are multiplied by it (YaRN, longrope)
  std::vector<float> rope_long_factors;  // longrope: for sequences of more than rope_original positions
  int64_t rope_original = 0;
  double rope_local_base = 0;   // base at layers with a window, without scaling; 0 = as elsewhere
  std::vector<bool> rope_skip;  // by layer: no positions there (SmolLM3); may be empty

  // Attention.
  double attn_scale = 0;         // of q . k; 0 = 1 / sqrt(d_head)
  double attn_cap = 0;           // cap * tanh(score / cap); 0 = none
  std::vector<int64_t> windows;  // by layer: how many keys a query sees, its own included; 0 = all; empty = all
  QkNorm qk_norm = QkNorm::none;
  bool qkv_bias = false, out_bias = false, mlp_bias = false;

  // The block and what surrounds it.
  NormKind norm = NormKind::rms;
  bool norm_plus_one = false;  // the file holds w of (1 + w)
  bool pre_norm = true;        // before each module
  bool post_norm = false;      // of each module's output, before it is added
  bool parallel = false;       // both modules read the same stream
  Activation activation = Activation::silu;
  bool gated = true;  // act(gate) * up, else act(up)
  int64_t n_experts = 0, n_experts_used = 0;
  double embed_scale = 1, final_cap = 0;

  int64_t window(int64_t layer) const { return windows.empty() ? 0 : windows[size_t(layer)]; }
};

// Throws with the rule that a hostile or broken config breaks.
void check(const Config& config);

}  // namespace ken::model
