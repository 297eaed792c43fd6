// An edit of a few latents of sparse autoencoders, one dictionary a layer, towards one of two classes of prompts: which
// latents, found by mutual information, and what their values are clipped at (SpARE, arXiv 2410.15999).
//   towards M: z- = min(z, zbar^C), z+ = max(zbar^M - z, 0); the stream changes by D (z+ - z-). Towards C: exchanged.
#pragma once
#include "ken/readout/analysis.h"
#include "ken/readout/lever.h"
#include "ken/readout/sae.h"

namespace ken::readout {

// One layer's s latents: those of `reader` that `selected` [s] names, their decoder rows [s, d], and the values [s]
// that they are clipped at, where 0 means that a latent is not of this class. A reader without a top-k cut holds these
// latents alone; none holds a decoder.
struct SparseEdit {
  std::string point;
  Sae reader;
  Tensor selected, rows;
  std::array<Tensor, 2> clip;  // by class: 0, 1

  // What is added to h [n, d] towards a class: with the clip values times `scale`.
  Tensor change(const Tensor& h, int towards, double scale = 1) const;
};

struct SparseEdits {
  std::vector<SparseEdit> layers;
  std::array<double, 2> strength = {2, 2};  // by class
};
Lever lever_of(const SparseEdits& edits, const std::string& method);
SparseEdits sparse_edits(const Lever& lever);  // an Error where parts are missing or disagree
// The control: latents of a dictionary of random directions of length 1, half of them of each class, clipped at 1.
SparseEdits random_sparse_edits(const std::string& point, int64_t d, uint64_t seed);

// One layer's latents by how much their values tell of the class.
struct Ranking {
  Sae sae;
  std::array<Tensor, 2> means;  // [m] by class
  std::vector<double> told;     // nats; 0 for latents that never fire
  std::vector<int64_t> order;   // those that fire, the most telling first
};
// states [n, d]; weights [n] of the items in the mean of their own class.
Ranking rank_latents(const Sae& sae, const Tensor& states, const std::vector<int>& classes, const Tensor& weights,
                     int neighbours, uint64_t seed);
// The fewest latents that together hold more than the share rho of what all tell, each in the class of the larger mean.
SparseEdit select_latents(const Ranking& ranking, double rho);

// Those in the folders, joined by +, each of which must say its point; without any, one trained on the input's texts
// for the stream after each of the four middle blocks.
std::vector<Sae> dictionaries(const AnalysisInput& input, const std::string& folders, const SaeTraining& training);

}  // namespace ken::readout
