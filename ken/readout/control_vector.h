// Control vectors: a direction for each of some layers, as llama.cpp writes and reads them (GGUF, "controlvector").
#pragma once
#include <map>

#include "ken/base/files.h"
#include "ken/nn/torch.h"

namespace ken::readout {

using at::Tensor;

struct ControlVector {
  std::string model_hint;                 // architecture; empty: any
  std::string point = "hook_resid_post";  // of each layer's block; the plain form is added there
  std::string operation = "add";          // what the directions are meant for: see the control `vector`
  std::map<int64_t, Tensor> directions;   // by layer, from 0: [d] f32, all of one length
  double mean_norm = 0;                   // of the states at that point, where it is known: what strengths are seen by
};

// GGUF with direction.N [d], of layer N's output. llama.cpp reads N from 1 on, so a direction 0 is for us alone. Point
// and operation stand under ken.steer.*; a reader that does not know them adds at the layer's output.
void save(const ControlVector& vector, const fs::path& path);
// Every tensor must be direction.N of one length, finite.
ControlVector load_control_vector(const fs::path& path);

// Directions from pairs of states [pairs, d] of two behaviours, nearer to `positive`.
//   "mean"  mean of the differences (difference of means, CAA: arXiv 2312.06681)
//   "pca"   first principal component of the differences, their mean included (RepE, arXiv 2310.01405): what repeng
//           calls pca_center. Its pca_diff takes the mean away first, and may find what varies within a behaviour.
// The component has the mean difference's length along it, and is turned so that most pairs lie right.
Tensor direction_of(const Tensor& positive, const Tensor& negative, const std::string& method);

}  // namespace ken::readout
