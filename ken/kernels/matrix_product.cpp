#include "ken/kernels/matrix_product.h"

#include "ken/kernels/cpu.h"

namespace ken::kernels {

using at::Tensor;

// torch multiplies bf16 by plain loops where a CPU has no AVX-512, at some hundredth of the rate of f32.
bool multiplies_bf16() { return cpu() >= Cpu::avx512; }

Tensor matrix_product(const Tensor& a, const Tensor& b) {
  if (multiplies_bf16() || !a.is_cpu() || a.scalar_type() != at::kBFloat16) return at::mm(a, b);
  return at::mm(a.to(at::kFloat), b.to(at::kFloat)).to(at::kBFloat16);
}

}  // namespace ken::kernels
