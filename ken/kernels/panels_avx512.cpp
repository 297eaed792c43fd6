// Products with panels on AVX-512 with VNNI; bf16 by its own instruction where there is one.
#if defined(__x86_64__)
#include <immintrin.h>

#include "ken/kernels/panel_kinds.h"

// gcc 12 takes the undefined operand that its own headers pass for a mistake.
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#pragma GCC target("avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,f16c,fma")
#include "ken/kernels/vector_avx512.h"

namespace ken::kernels {

PanelProduct avx512_product(Plane plane, Scaling scaling) { return choose<VectorKernels<Avx512>>(plane, scaling); }

}  // namespace ken::kernels
#endif
