#pragma once
#include "ken/kernels/cpu.h"
#include "ken/kernels/kernels.h"
#include "ken/kernels/matrix_product.h"

namespace ken::nn {

// The kind of CPU whose kernels run, such as "avx512_bf16"; KEN_CPU names another.
inline std::string cpu_kind() { return kernels::cpu_name(kernels::cpu()); }

// As the weights that products read lie.
using kernels::matrix_product, kernels::multiplies_bf16;
using kernels::zero_bytes;

}  // namespace ken::nn
