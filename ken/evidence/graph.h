// The graph of answers by their likeness.
#pragma once
#include <vector>

#include "ken/nn/torch.h"

namespace ken::evidence {

// Of L = I - D^-1/2 W D^-1/2, D = diag(W 1): eigenvalues [n] ascending and eigenvectors [n, n] in columns, f64.
struct Spectrum {
  at::Tensor values, vectors;
};
Spectrum laplacian_spectrum(const std::vector<std::vector<double>>& likeness);

}  // namespace ken::evidence
