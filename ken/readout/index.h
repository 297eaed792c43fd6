// Rows by their numbers, as index_select and its kin want them.
#pragma once
#include "ken/nn/torch.h"

namespace ken::readout {

// [n] int64, on the CPU.
inline at::Tensor index_of(const std::vector<int64_t>& rows) {
  return at::tensor(at::ArrayRef<int64_t>(rows), at::kLong);
}

}  // namespace ken::readout
