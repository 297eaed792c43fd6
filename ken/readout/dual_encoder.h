// A dual encoder on a frozen model: texts are vectors of its states, one learned map brings what belongs together
// close.
#pragma once
#include "ken/base/progress.h"
#include "ken/nn/torch.h"

namespace ken::readout {

using at::Tensor;

// e(s) = W (s - mean) / |W (s - mean)|; how near two texts are is the dot product. With W the identity it is untrained.
struct DualEncoder {
  Tensor mean;                           // [d]
  Tensor w;                              // [k, d]
  Tensor encode(const Tensor& s) const;  // [n, d] -> [n, k], rows of length 1 (a zero row stays zero)
};
DualEncoder untrained_encoder(const Tensor& states);  // their mean, the identity

// One anchor with the texts that should lie near it and those that should not: rows of the states.
struct EncoderPairs {
  int64_t anchor = 0;
  std::vector<int64_t> near, far;  // at least one each
};

struct EncoderOptions {
  int64_t epochs = 20, batch = 32;  // anchors a step
  double rate = 1e-3;               // Adam, falling linearly to 0
  double temperature = 0.05;        // of the softmax over similarities
  double decay = 0.01;              // weight of |W - I|^2 / d: what few pairs say nothing about stays as it was
  uint64_t seed = 0;
};
// W of least InfoNCE (van den Oord et al., arXiv 1807.03748): for each near text,
// -log softmax of its similarity among the anchor's far texts, and the near texts of the other anchors of the step.
DualEncoder train_encoder(const Tensor& states, const std::vector<EncoderPairs>& pairs, const EncoderOptions& options,
                          const Progress& progress = {});

}  // namespace ken::readout
