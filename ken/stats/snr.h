// Where a text has settled (UncertaintyRAG, arXiv 2410.02719): windows of token probabilities by signal over noise.
#pragma once
#include <cstdint>
#include <span>
#include <vector>

namespace ken::stats {

// mean / (variance + 1e-6) of each window of `window` values, one beginning at each value; empty where there are fewer.
std::vector<double> window_snr(std::span<const double> p, int64_t window);

// The mean of p from the first window of `window` values on whose mean / (variance + 1e-6) is at least `sigma`; of all
// where there is none, or fewer values than a window. NaN for none.
double settled_mean(std::span<const double> p, int64_t window, double sigma);

}  // namespace ken::stats
