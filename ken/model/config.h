// The shape of a model: everything the one forward pass needs to know. Letters as in the field.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

namespace ken::model {

struct Config {
  std::string arch = "llama", name;
  int64_t n_layers = 0, d_model = 0, n_heads = 0, n_kv_heads = 0, d_head = 0, d_ff = 0, vocab = 0, context = 0;
  double norm_eps = 1e-5;
  double rope_base = 10000;
  int64_t rope_width = 0;           // how much of a head is turned; usually d_head
  bool rope_interleaved = true;     // pairs (2i, 2i+1), as GGUF's llama rows are ordered; else (i, i + width/2)
  std::vector<float> rope_factors;  // divide the frequencies (Llama 3's scaling as GGUF stores it); may be empty
  double rope_scale = 1;            // positions are divided by it (linear scaling)
  bool tied = false;                // the output matrix is the embedding
};

// Throws with the rule that a hostile or broken config breaks.
void check(const Config& config);

}  // namespace ken::model
