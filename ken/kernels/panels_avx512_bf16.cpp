// bf16 products with panels by AVX-512's own instruction; everything else as without it.
#if defined(__x86_64__)
#include <immintrin.h>

#include "ken/kernels/panel_kinds.h"

#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#pragma GCC target("avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,avx512bf16,f16c,fma")
#include "ken/kernels/vector_avx512.h"

namespace ken::kernels {
namespace {

struct Avx512Bf16 : Avx512 {
  static KEN_ALWAYS F dot_bf16(F acc, I w, const uint16_t* x) {
    int32_t two;
    __builtin_memcpy(&two, x, 4);
    return _mm512_dpbf16_ps(acc, reinterpret_cast<__m512bh>(w), reinterpret_cast<__m512bh>(_mm512_set1_epi32(two)));
  }
};

}  // namespace

PanelProduct avx512_bf16_product(Plane plane, Scaling scaling) {
  return plane == Plane::pair ? VectorKernels<Avx512Bf16>::pairs : avx512_product(plane, scaling);
}

}  // namespace ken::kernels
#endif
