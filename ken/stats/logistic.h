// The logistic function and its inverse.
#pragma once
#include <algorithm>
#include <cmath>

namespace ken::stats {

inline double sigmoid(double z) { return z >= 0 ? 1 / (1 + std::exp(-z)) : std::exp(z) / (1 + std::exp(z)); }

// Probabilities nearer to 0 or 1 than 1e-12 count as that far.
inline double logit(double p) {
  const double bounded = std::clamp(p, 1e-12, 1 - 1e-12);
  return std::log(bounded / (1 - bounded));
}

}  // namespace ken::stats
