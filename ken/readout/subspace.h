// A few directions of the residual stream that decide something, found by interchange interventions (distributed
// alignment search, Geiger et al., arXiv 2303.02536; one direction of context against memory: Minder et al.,
// arXiv 2411.07404; two: arXiv 2511.01706). Shared by whatever reads or sets the coordinates.
#pragma once
#include "ken/base/files.h"
#include "ken/base/progress.h"
#include "ken/model/model.h"

namespace ken::readout {

using at::Tensor;

// Orthonormal directions after one block: h = blocks.layer.hook_resid_post.
struct Subspace {
  std::string name, model_sha256;
  int64_t layer = 0;
  std::vector<std::string> axes;  // what each coordinate stands for
  Tensor basis;                   // U [d, r] f32, orthonormal columns
  Tensor centre;                  // [d] f32: the mean state of the prompts that it is read from; zeros where unknown

  Tensor coordinates(const Tensor& h) const;  // U^T h: [n, d] -> [n, r]
  // A tap that sets coordinate `axis` of a sequence's last row to `value` in prefill and at each decoded token:
  // h + u (value - u^T h).
  model::Tap setting(int64_t axis, double value) const;
};
void save(const Subspace& subspace, const fs::path& path);  // safetensors
Subspace load_subspace(const fs::path& path);

// Prompt `base` with coordinate `axis` from prompt `source` should answer as the source does: with token `answer`.
struct Swap {
  size_t base, source;
  int64_t axis;
  int32_t answer;
};

// Prompts read once: their last states after some blocks, and, of the bases of swaps, the keys and values that later
// layers see. A changed last state then costs one row through the layers above, whatever the prompt's length. Holds
// the keys and values of all bases in memory.
class Interchanges {
 public:
  Interchanges(const model::Model& model, const std::vector<std::vector<int32_t>>& prompts,
               const std::vector<Swap>& swaps, const std::vector<int64_t>& layers, nn::Compute compute,
               const Progress& progress = {});
  const Tensor& states(int64_t layer) const;  // [prompts, d_model] f32: the last states after this block
  // Logits [n, vocab] of bases with other last states [n, d_model] there. Differentiable in the states.
  Tensor logits(int64_t layer, const std::vector<size_t>& bases, const Tensor& states);
  size_t prompts() const { return last_.size(); }
  const model::Model& model() const { return model_; }

 private:
  void read(const std::vector<std::vector<int32_t>>& prompts, size_t first, size_t last);
  const model::Model& model_;
  nn::Compute compute_;
  nn::KvCache cache_;
  std::vector<int> sequences_;        // of each base in the cache, without its last token; -1: no base
  std::vector<int32_t> last_;         // each prompt's last token
  std::map<int64_t, Tensor> states_;  // by layer
};

struct SubspaceOptions {
  int64_t layer = 0, rank = 1, epochs = 2, batch = 8;
  double rate = 0.01;  // Adam, falling linearly to 0
  uint64_t seed = 0;
};
struct SubspaceFit {
  Subspace subspace;
  std::vector<double> losses;  // mean of each epoch, nats a swap
};
// U of least cross-entropy of the swaps' answers. The parameter is a [d, r] matrix A; U is the orthogonal factor of
// A = U R, so its columns stay orthonormal and the gradient passes through the factorisation.
SubspaceFit fit_subspace(Interchanges& data, const std::vector<Swap>& swaps, const SubspaceOptions& options,
                         const Progress& progress = {});
// The likeliest token of each swap under a subspace.
std::vector<int32_t> answers_after(Interchanges& data, const Subspace& subspace, const std::vector<Swap>& swaps);
// The mean cross-entropy of the swaps' answers, nats.
double swap_loss(Interchanges& data, const Subspace& subspace, const std::vector<Swap>& swaps);
// Orthonormal directions drawn at random: the control.
Subspace random_subspace(int64_t d, int64_t rank, int64_t layer, uint64_t seed);

}  // namespace ken::readout
