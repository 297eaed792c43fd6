// The shape of states: how peaked and how sparse each row is (Zhao et al., arXiv 2410.16090).
#pragma once
#include <string>
#include <utility>
#include <vector>

#include "ken/nn/torch.h"

namespace ken::readout {

// Of each row of h [n, d], by name [n]: kurtosis (fourth central moment over the squared variance, no -3), the same
// without the `top` largest entries (a few dimensions hold massive activations), Hoyer's and Gini's sparsity in [0, 1],
// L1 and L2.
std::vector<std::pair<std::string, at::Tensor>> row_shapes(const at::Tensor& h, int64_t top = 3);

}  // namespace ken::readout
