// Parts of element-wise kernels for those that go on with their own results.
#pragma once
#include "ken/kernels/simd.h"

namespace ken::kernels {

// y = silu(gate) * up of n values; y may be gate.
void swiglu_span(const float* gate, const float* up, float* y, int64_t n);
void swiglu_span(const bf16* gate, const bf16* up, bf16* y, int64_t n);

}  // namespace ken::kernels
