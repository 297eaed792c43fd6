#include "ken/stats/snr.h"

#include <numeric>

#include "ken/stats/stats.h"

namespace ken::stats {

double settled_mean(std::span<const double> p, int64_t window, double sigma) {
  constexpr double least_variance = 1e-6;  // constant probabilities near 1 would divide by nothing
  const auto w = size_t(window);
  for (size_t j = 0; j + w <= p.size(); ++j) {
    const double mean = mean_of(p.subspan(j, w));
    double variance = 0;
    for (const double x : p.subspan(j, w)) variance += (x - mean) * (x - mean) / double(w);
    if (mean / (variance + least_variance) >= sigma) return mean_of(p.subspan(j));
  }
  return mean_of(p);
}

}  // namespace ken::stats
