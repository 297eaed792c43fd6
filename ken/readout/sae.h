// Sparse autoencoders of one point of the forward pass: encode, decode, train, evaluate, save and load.
//   z = activation(x W_enc + b_enc),  x^ = z W_dec + b_dec;  d inputs, m features.
// A trained Sae reads the stream as it is: the centre and scale of its training are folded into the biases and the
// threshold, so that decoder rows stay of length 1 and z is in units of the stream.
#pragma once
#include "ken/data/texts.h"
#include "ken/readout/activation_stream.h"

namespace ken::readout {

enum class SaeKind { relu, topk, batchtopk, jumprelu };
std::string kind_name(SaeKind kind);
SaeKind sae_kind(const std::string& name);  // UsageError with near names
std::vector<std::string> sae_kinds();

struct Sae {
  SaeKind kind = SaeKind::relu;
  Tensor w_enc, b_enc;    // [d, m], [m] f32
  Tensor w_dec, b_dec;    // [m, d], [d] f32
  Tensor threshold;       // [m]: active where the pre-activation is above; undefined for relu and topk
  int64_t k = 0;          // topk: how many are active; else what training aimed at, 0 where it had no aim
  double norm_scale = 1;  // what centred activations were multiplied by in training; already folded in
  std::string point, model_name, model_sha256;

  int64_t d() const { return w_dec.size(1); }
  int64_t features() const { return w_dec.size(0); }
  Tensor encode(const Tensor& x) const;           // [n, d] -> [n, m] f32, zeros where inactive, top-k cut applied
  Tensor decode(const Tensor& z) const;           // [n, m] -> [n, d]
  Tensor difference(const Tensor& change) const;  // [n, m] -> [n, d]: what a change of z adds; no bias
};
// Throws with the rule that the parts break: shapes that disagree, a number that is not finite.
void check(const Sae& sae, std::string_view where);

struct SaeTraining {
  SaeKind kind = SaeKind::batchtopk;
  int64_t features = 0;
  int64_t k = 32;         // active features a row: the cut of topk and batchtopk, the aim of jumprelu
  double sparsity = 0.1;  // relu: weight of sum |z| where E |x|^2 = 1; jumprelu: weight of (L0 / k - 1)^2
  int64_t tokens = 1 << 20, batch = 1024;
  double lr = 1e-3, warmup = 0.05, decay = 0.3;  // shares of the steps; to zero at the end
  double sparsity_warmup = 0.1;                  // share of the steps over which `sparsity` rises from 0
  int64_t dead_after = 1 << 16;                  // tokens without firing
  double aux = 1.0 / 32;                         // weight of the auxiliary loss of dead features (top-k kinds)
  double bandwidth = 0.02;                       // of the kernel of the straight-through estimators (jumprelu)
  uint64_t seed = 0;
  nn::Compute compute = nn::Compute::fast;  // bf16 products in the encoder, or f32
};
Json to_json(const SaeTraining& options);

struct SaeStep {
  double unexplained = 0;  // |x - x^|^2 over |x|^2, of this batch
  double l0 = 0;
  int64_t dead = 0;
};

// Gradients are written out and fused with the optimiser's step: each dictionary row is read and written once a step,
// and only entries of active features enter sums.
class SaeTrainer {
 public:
  // `sample` [n, d]: the centre and the scale of all rows to come are estimated from it.
  SaeTrainer(const SaeTraining& options, const Tensor& sample);
  ~SaeTrainer();
  SaeTrainer(const SaeTrainer&) = delete;
  SaeStep step(const Tensor& x);  // [n, d] f32, rows of the stream
  int64_t steps() const;          // done
  Sae result() const;
  std::map<std::string, Tensor> state() const;
  void restore(const std::map<std::string, Tensor>& state);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// Trains on the stream. With a `checkpoint` folder it writes its state there every so many steps; where one of the same
// options lies, it goes on from it and ends with the same bytes.
Sae train_sae(ActivationStream& stream, const SaeTraining& options, const Progress& progress = {},
              const fs::path& checkpoint = {}, int64_t checkpoint_every = 500);

// The state of a run as one file that appears whole.
void write_checkpoint(const fs::path& path, const SaeTrainer& trainer, const ActivationStream& stream,
                      const SaeTraining& options);
// Whether there was one; one of other options is an Error that says so.
bool read_checkpoint(const fs::path& path, SaeTrainer& trainer, ActivationStream& stream, const SaeTraining& options);

struct SaeEvaluation {
  int64_t rows = 0;                 // of the stream; BOS left out
  double l0 = 0, l0_max = 0;        // active features a row
  double explained_variance = 0;    // 1 - sum |x - x^|^2 / sum |x - mean x|^2
  double cosine = 0;                // of x and x^
  double dead = 0, dense = 0;       // share of features that never fire; that fire on more than a tenth of the rows
  double ce = 0, ce_spliced = 0;    // nats a token: plain; with x^ in place of x
  double ce_mean = 0, ce_zero = 0;  // with the mean row, with zeros in place of x
  double recovered_mean() const { return (ce_mean - ce_spliced) / (ce_mean - ce); }
  double recovered_zero() const { return (ce_zero - ce_spliced) / (ce_zero - ce); }
  Tensor density;  // [m] share of rows on which each feature fires
};
struct SaeEvaluationOptions {
  int64_t rows = 1 << 15;     // at least this many, where the texts hold as many
  int64_t ce_rows = 1 << 14;  // of them, for the four losses; 0 leaves them out
  nn::Compute compute = nn::Compute::f32;
  int64_t length = 512;
};
// BOS rows stay as they are in every splice: the Sae saw none.
SaeEvaluation evaluate(const model::Model& model, const Sae& sae, const data::Texts& texts,
                       const SaeEvaluationOptions& options, const Progress& progress = {});
Json to_json(const SaeEvaluation& evaluation);

// Where a feature fires most, and what it promotes.
struct FeatureUse {
  int64_t feature = 0;
  double density = 0, mean = 0;  // share of rows; mean value where it fires
  struct Example {
    double value;
    std::string before, token, after;
  };
  std::vector<Example> examples;                         // strongest first
  std::vector<std::pair<std::string, double>> tokens;    // those it fires on most: token, share of its firing
  std::vector<std::pair<std::string, double>> promoted;  // vocabulary by the decoder row through the unembedding
};
std::vector<FeatureUse> feature_uses(const model::Model& model, const Sae& sae, const data::Texts& texts,
                                     const std::vector<int64_t>& features, int64_t examples,
                                     const SaeEvaluationOptions& options, const Progress& progress = {});

// A folder as SAELens writes it (cfg.json, sae_weights.safetensors), or a Gemma Scope archive (params.npz).
void save_sae(const Sae& sae, const fs::path& folder);
Sae load_sae(const fs::path& path);  // either, by what lies there
void save_sae_npz(const Sae& sae, const fs::path& path);

}  // namespace ken::readout
