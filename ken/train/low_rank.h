// Low-rank adapters (LoRA, Hu et al. 2021, arXiv 2106.09685) on a frozen model: the stored weights stay as they are,
// quantised or not, and have no gradients.
#pragma once
#include "ken/train/optimizer.h"

namespace ken::train {

struct LowRankOptions {
  int64_t rank = 16;
  // Ends of the names of the matrices that get one, such as "attn.W_Q"; empty: every matrix in the blocks but routers.
  std::vector<std::string> targets;
  uint64_t seed = 0;
  std::vector<int64_t> layers = {};  // whose matrices get one; empty: every layer's
};

// Adds (x A^T) B^T to each chosen matrix, A [rank, in] uniform within 1 / sqrt(in) and B [out, rank] zero, so that the
// model is unchanged at first; there is no factor before the product (alpha = rank). Everything else is frozen. An
// overlay that a matrix has already is an Error; a target that no matrix has is a UsageError.
std::vector<Parameter> train_low_rank(model::Model& model, const LowRankOptions& options);

}  // namespace ken::train
