// Lenses: what the model would say next if a layer's state were its last. The logit lens (nostalgebraist 2020) reads
// the state as it is; the tuned lens (Belrose et al., arXiv 2303.08112) moves it by a learned affine map first.
#pragma once
#include "ken/base/files.h"
#include "ken/base/progress.h"
#include "ken/data/texts.h"
#include "ken/model/model.h"

namespace ken::readout {

using at::Tensor;

// Layers are counted by states: state l enters block l, state n_layers leaves the last block.
struct Lens {
  std::vector<Tensor> a, b;  // of states 0 to n_layers - 1: [d, d] and [d]; empty: the logit lens
  std::string model_sha256;
  bool tuned() const { return !a.empty(); }
  // h + A_l h + b_l, h [n, d]; the last state and the logit lens leave h as it is.
  Tensor translate(int64_t layer, const Tensor& h) const;
  // The logits [n, vocab] that state `layer` stands for. Differentiable.
  Tensor read(const model::Model& model, int64_t layer, const Tensor& h, nn::Compute compute) const;
};

// Its tensors by name: lens.0.weight, lens.0.bias, ... A file may hold others beside them.
std::map<std::string, Tensor> tensors_of(const Lens& lens);
void save(const Lens& lens, const fs::path& path);  // safetensors
// A file of another model, or whose translators do not fit the model's layers and width, is an Error.
Lens load_lens(const fs::path& path, const model::Model& model);

struct LensOptions {
  int64_t steps = 250, tokens = 1024;  // of each step, about
  double rate = 1, momentum = 0.9, weight_decay = 1e-3, clip = 1;
  uint64_t seed = 0;
  nn::Compute compute = nn::Compute::f32;
};
// All translators together, the model frozen: sum_l mean_t KL(softmax z_final || softmax z_l) by SGD with Nesterov's
// momentum and a linearly falling rate, from the logit lens on. Every tenth text is left out, for held_out_texts().
Lens fit_lens(const model::Model& model, const data::Texts& texts, const LensOptions& options,
              const Progress& progress = {});

// Token sequences of texts that no lens is fitted on, about `tokens` in all, drawn by the seed.
std::vector<std::vector<int32_t>> held_out_texts(const model::Model& model, const data::Texts& texts, int64_t tokens,
                                                 uint64_t seed);

// All states of one packed pass, and the logits of every token.
struct Pass {
  Tensor states;  // [n_layers + 1, T, d] f32
  Tensor logits;  // [T, vocab] f32
};
Pass states_of(const model::Model& model, const std::vector<std::vector<int32_t>>& sequences, nn::Compute compute);

// The states of each sequence's last token: [sequences, n_layers + 1, d] f32, from packed passes.
Tensor last_states(const model::Model& model, const std::vector<std::vector<int32_t>>& sequences, nn::Compute compute);

// What a lens says at every layer, of n states of each layer and one token: all [n, n_layers + 1] f32.
struct Readings {
  Tensor logprob, rank;        // of the token; rank 0 is the likeliest
  Tensor entropy, divergence;  // nats; KL from the last layer's distribution to this layer's
  Tensor best;                 // i64: the likeliest token
  // [n] i64: the first layer from which on the likeliest token is that of the last layer.
  Tensor settled() const;
};
// states [n, n_layers + 1, d], targets [n] i64.
Readings read_layers(const model::Model& model, const Lens& lens, const Tensor& states, const Tensor& targets,
                     nn::Compute compute);
std::vector<std::string> layer_names(const model::Config& config);  // "embedding", "1", ...

// States [..., d] after the model's final norm, f32.
Tensor final_norm(const model::Model& model, const Tensor& states);
// The mean unembedding row of each word's tokens: [words, d] f32.
Tensor word_vectors(const model::Model& model, const std::vector<std::vector<int32_t>>& words);
// sum_v p (log p - log q) [n] of distributions given by logits [n, vocab].
Tensor kl(const Tensor& p_logits, const Tensor& q_logits);

// Unit directions of state `layer`, orthogonal to each other, each the one whose ablation (its coordinate set to the
// mean over `states` [n, d]) moves the lens's distribution most: causal basis extraction, section 4 of the paper, by
// ascent on the sphere. influence: the mean KL that it causes.
struct Basis {
  Tensor directions;  // [k, d]
  std::vector<double> influence;
};
Basis causal_basis(const model::Model& model, const Lens& lens, int64_t layer, const Tensor& states, int64_t count,
                   uint64_t seed, nn::Compute compute);
// h [n, d] with its coordinate along each unit direction [k, d] set to the mean state's. Differentiable.
Tensor ablate(const Tensor& h, const Tensor& directions, const Tensor& mean);

}  // namespace ken::readout
