// Attention heads as parts of a mechanism: what each passes on to which other, which ones suffice, which carry one kind
// of information. All on prompts whose tokens are aligned with those of a counterpart.
#pragma once
#include "ken/base/rng.h"
#include "ken/readout/patching.h"

namespace ken::readout {

struct Head {
  int64_t layer = 0, head = 0;
  auto operator<=>(const Head&) const = default;
  std::string name() const { return std::to_string(layer) + "." + std::to_string(head); }
};
std::vector<Head> all_heads(const model::Config& config);
// "5.1 6.0": layer.head, separated by blanks; a UsageError names what the model has not.
std::vector<Head> heads_from(const std::string& text, const model::Config& config);
// The `count` heads of the most negative effect [L, H], the strongest first.
std::vector<Head> strongest(const Tensor& effect, size_t count);

// Where a sender's effect is read: the logits (no heads), or an input of these heads.
struct Receivers {
  std::vector<Head> heads = {};
  Point input = Point::q;  // q, k or v; with shared keys and values a head stands for its whole group
};

// Path patching (Goldowsky-Dill et al., arXiv 2304.05969; Wang et al., arXiv 2211.00593): head by head, its output at
// positions[s] is replaced by that of the corrupt prompt while every later head keeps its clean output (MLPs and norms
// are computed again); what the receivers then get as input is put into a clean pass. Result [L, H]: the mean over
// prompts of (p_patched(r) - p_clean(r)) / p_clean(r), r = right[s]. Both runs must keep z.
Tensor path_effects(const model::Model& model, SavedRun& clean, const SavedRun& corrupt,
                    const std::vector<int32_t>& right, const std::vector<int64_t>& positions,
                    const Receivers& receivers, nn::Compute compute, const Progress& progress = {});

// Next-token logits [S, vocab] where only `kept` heads work. All others give, at each token, the mean of what they give
// in `others`: runs of prompts aligned with these that kept z (the mean over the prompts' own pattern).
Tensor circuit_logits(const model::Model& model, const std::vector<std::vector<int32_t>>& prompts,
                      const std::vector<Head>& kept, const std::vector<const SavedRun*>& others, nn::Compute compute);

// Next-token logits where these heads' outputs at positions[s] (of all tokens where positions is empty) are those of
// another run of aligned prompts, of this model or of another one of its shape.
Tensor transplanted_logits(const model::Model& model, SavedRun& run, const SavedRun& from,
                           const std::vector<Head>& heads, const std::vector<int64_t>& positions, nn::Compute compute);

struct MaskOptions {
  double penalty = 0.01, lr = 0.1;
  int64_t epochs = 2, batch = 32;
  uint64_t seed = 0;
};
// Desiderata-based component masking (Davies et al., arXiv 2307.03637): a mask w in [0, 1] over `candidates`, whose
// outputs at positions[s] become w z + (1 - w) z', z' of the counterfactual prompt; minimises -logit(target) +
// penalty sum(1 - w). Returns the heads with w < 0.5: they carry what differs.
std::vector<Head> carriers(const model::Model& model, const std::vector<std::vector<int32_t>>& prompts,
                           const SavedRun& counterfactual, const std::vector<int32_t>& targets,
                           const std::vector<int64_t>& positions, const std::vector<Head>& candidates,
                           const MaskOptions& options, nn::Compute compute);

}  // namespace ken::readout
