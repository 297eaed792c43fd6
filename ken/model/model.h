// A model: its shape, its weights as stored, its tokenizer, and the one instrumented forward pass.
#pragma once
#include <functional>
#include <future>
#include <memory>
#include <string>
#include <vector>

#include "ken/io/tensors.h"
#include "ken/model/batch.h"
#include "ken/nn/matrix.h"
#include "ken/text/tokenizer.h"

namespace ken::model {

struct Expert {
  nn::Matrix gate, up, down;
};

// What a family lacks stays undefined.
struct Block {
  nn::Matrix q, k, v, o, gate, up, down;
  nn::Matrix router;  // [n_experts, d_model]; then the experts stand in for gate, up and down
  std::vector<Expert> experts;
  Tensor ln1, ln2, ln1_bias, ln2_bias;  // [d_model] f32
  Tensor ln1_post, ln2_post;            // of the modules' outputs
  Tensor q_norm, k_norm;                // [d_head] or [heads * d_head]
};

struct Model {
  Config config;
  nn::Matrix embed, unembed, pos_embed;  // unembed undefined when tied
  std::vector<Block> blocks;
  Tensor ln_final, ln_final_bias;
  Tensor rope_frequencies;       // [rope_width / 2] f32
  Tensor rope_local, rope_long;  // at layers with a window; of long sequences; else undefined
  std::shared_ptr<const text::Tokenizer> tokenizer;
  io::Metadata metadata;                       // of the file, tokenizer included
  std::shared_ptr<const io::TensorFile> file;  // keeps the mapping alive
  std::shared_future<std::string> digest;      // what sha256() gives
  at::Device device = at::kCPU;
  bool int8_cache = false;  // how make_cache keeps keys and values for fast passes

  int64_t parameters() const;
  // Every matrix and gain that the family has with its name, in a fixed order. Biases of matrices belong to them.
  std::vector<std::pair<std::string, nn::Matrix*>> matrices();
  std::vector<std::pair<std::string, Tensor*>> gains();
  nn::Matrix& matrix(const std::string& name);  // UsageError with near names
  // Of the file's bytes; empty for a model in memory. Computed when first asked for: reading a gigabyte takes a second,
  // and an answer needs only the pages that it computes with.
  std::string sha256() const { return digest.valid() ? digest.get() : ""; }
  const nn::Matrix& output() const { return config.tied ? embed : unembed; }
};

struct ForwardOptions {
  nn::Compute compute = nn::Compute::f32;
  const TapPlan* taps = nullptr;
  nn::KvCache* cache = nullptr;  // rows with a cached id read and extend it
  enum class Logits { none, last, all } logits = Logits::last;
  // With gradients: so many blocks keep their activations, those of the others are computed again when the gradient
  // comes by (activation checkpointing, Chen et al., arXiv 1604.06174). -1: all keep them.
  int64_t kept_blocks = -1;
};

struct Output {
  Tensor logits;  // [S or T, vocab] f32; undefined for none
  Tensor hidden;  // [T, d_model]: after the final norm, in the activation type
};

Output forward(const Model& model, const Batch& batch, const ForwardOptions& options);
// For passes in this arithmetic.
nn::KvCache make_cache(const Model& model, nn::Compute compute);

// Opens a GGUF file or a Hugging Face folder of a supported architecture; errors name the file, the key or tensor, and
// what was expected.
std::shared_ptr<Model> load(const fs::path& path);
// The same of an opened GGUF; `sha256` is called at most once.
std::shared_ptr<Model> load(std::shared_ptr<const io::TensorFile> file, std::function<std::string()> sha256);
// Writes a GGUF: matrices as `dtype` (any weight type), gains as F32.
void save(const Model& model, const fs::path& path, io::DType dtype);
// The model's parts in their shapes, without data; gains hold ones, biases zeros.
std::shared_ptr<Model> frame(const Config& config);
// A model with random weights (Llama's customary scales), for training and tests.
std::shared_ptr<Model> make_random(const Config& config, uint64_t seed);

// Token ids of a prompt, with BOS where the tokenizer asks for it.
std::vector<int32_t> prompt_ids(const Model& model, const std::string& text);

}  // namespace ken::model
