#include "ken/evidence/graph.h"

namespace ken::evidence {

Spectrum laplacian_spectrum(const std::vector<std::vector<double>>& likeness) {
  const auto n = int64_t(likeness.size());
  const at::Tensor w = at::empty({n, n}, at::kDouble);
  for (int64_t i = 0; i < n; ++i)
    std::copy(likeness[size_t(i)].begin(), likeness[size_t(i)].end(), w.data_ptr<double>() + i * n);
  const at::Tensor scale = w.sum(1).rsqrt();  // the diagonal is 1, so no degree is 0
  auto [values, vectors] = at::linalg_eigh(at::eye(n, at::kDouble) - scale.unsqueeze(1) * w * scale.unsqueeze(0));
  return {values, vectors};
}

}  // namespace ken::evidence
