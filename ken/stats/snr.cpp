#include "ken/stats/snr.h"

#include <algorithm>

#include "ken/stats/stats.h"

namespace ken::stats {

std::vector<double> window_snr(std::span<const double> p, int64_t window) {
  constexpr double least_variance = 1e-6;  // constant probabilities near 1 would divide by nothing
  const auto w = size_t(window);
  std::vector<double> result;
  for (size_t j = 0; j + w <= p.size(); ++j) {
    const double mean = mean_of(p.subspan(j, w));
    double variance = 0;
    for (const double x : p.subspan(j, w)) variance += (x - mean) * (x - mean) / double(w);
    result.push_back(mean / (variance + least_variance));
  }
  return result;
}

double settled_mean(std::span<const double> p, int64_t window, double sigma) {
  const auto snr = window_snr(p, window);
  const auto settled = std::find_if(snr.begin(), snr.end(), [&](double r) { return r >= sigma; });
  return mean_of(settled == snr.end() ? p : p.subspan(size_t(settled - snr.begin())));
}

}  // namespace ken::stats
