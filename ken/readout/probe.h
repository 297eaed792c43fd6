// Linear probes: logistic regression, many problems solved together, judged on groups never trained
// on.
#pragma once
#include "ken/base/files.h"
#include "ken/nn/torch.h"
#include "ken/stats/stats.h"

namespace ken::readout {

using at::Tensor;

struct Probe {
  std::string name, point, place, target, model_sha256;
  Tensor weight;  // [d] f32
  double bias = 0;
  // x [n, d] -> [n] log-odds.
  Tensor score(const Tensor& x) const;
};
void save(const std::vector<Probe>& probes, const fs::path& path);  // safetensors
std::vector<Probe> load_probes(const fs::path& path);

struct FitOptions {
  std::vector<double> strengths = {0.01, 0.1, 1,
                                   10};  // C of scikit-learn: inverse L2 strength, chosen by inner grouped folds
  int folds = 5;
  uint64_t seed = 0;
};
struct Fit {
  Tensor scores;                 // [P, n] held-out log-odds: each item scored by a probe that saw none of its group
  std::vector<Probe> probes;     // [P], fitted on all items
  std::vector<double> strength;  // [P] the C chosen for the final probe
};
// P problems over the same n items: x [P, n, d], labels [n] in {0, 1}, one group name per item. Features are
// standardised with the training items' statistics.
Fit fit_logistic(const Tensor& x, const std::vector<int>& labels, const std::vector<std::string>& groups,
                 const FitOptions& options);

}  // namespace ken::readout
