#include "ken/readout/shape.h"

#include <cmath>

namespace ken::readout {
namespace {

using at::Tensor;

Tensor kurtosis(const Tensor& x) {
  const Tensor centred = x - x.mean(at::IntArrayRef{1}, true);
  return centred.pow(4).mean(at::IntArrayRef{1}) / centred.square().mean(at::IntArrayRef{1}).square();
}

}  // namespace

std::vector<std::pair<std::string, Tensor>> row_shapes(const Tensor& h, int64_t top) {
  const Tensor x = h.to(at::kDouble), size = x.abs();
  const auto [sorted, order] = size.sort(1);  // ascending
  const int64_t d = x.size(1), kept = std::max<int64_t>(2, d - top);
  const double root = std::sqrt(double(d));
  const Tensor l1 = size.sum(1), l2 = x.square().sum(1).sqrt();
  const Tensor weight = double(d) - at::arange(d, sorted.options());  // d - i + 1 for i = 1..d
  // 1 - (2 / d) sum_i (d - i + 1) |h|_(i) / sum |h|, and 1 / d so that equal entries give 0.
  const Tensor gini = 1 + 1 / double(d) - 2 / double(d) * (weight * sorted).sum(1) / l1;
  return {{"kurtosis", kurtosis(x)},
          {"kurtosis_without_top", kurtosis(x.gather(1, order.narrow(1, 0, kept)))},
          {"hoyer", (root - l1 / l2) / (root - 1)},
          {"gini", gini},
          {"l1", l1},
          {"l2", l2}};
}

}  // namespace ken::readout
