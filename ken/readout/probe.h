// Probes: what is read from a state. Logistic regression here, other kinds in probe_kinds.h; many problems are solved
// together and judged on groups never trained on.
#pragma once
#include "ken/base/files.h"
#include "ken/nn/torch.h"
#include "ken/stats/stats.h"

namespace ken::readout {

using at::Tensor;

// One layer of a net: relu(x weight^T + bias).
struct HiddenLayer {
  Tensor weight, bias;  // [out, in], [out] f32
};
struct Probe {
  std::string name, point, place, target, model_sha256;
  Tensor weight;  // [d] f32; behind hidden layers, of the last one's width
  double bias = 0;
  std::string kind = "logistic";         // or "mean-difference", "net": how it was fitted
  std::vector<HiddenLayer> hidden = {};  // of a net
  int64_t width() const { return hidden.empty() ? weight.size(0) : hidden.front().weight.size(1); }
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
  std::vector<double> strength;  // [P] the C chosen for the final probe; empty for other kinds
};
// P problems over the same n items: x [P, n, d], labels [n] in {0, 1}, one group name per item. Features are
// standardised with the training items' statistics.
Fit fit_logistic(const Tensor& x, const std::vector<int>& labels, const std::vector<std::string>& groups,
                 const FitOptions& options);

}  // namespace ken::readout
