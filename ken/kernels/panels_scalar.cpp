// Products with panels in plain C++: what the other CPU kinds must equal bit for bit, and what any CPU can run.
#include <cmath>
#include <cstring>

#include "ken/kernels/panel_kinds.h"
#include "ken/kernels/panel_product.h"
#include "ken/kernels/simd.h"

namespace ken::kernels {
namespace {

struct Scalar {
  static constexpr bool wide = false;
  struct I {
    int32_t lane[16];
  };
  struct F {
    float lane[16];
  };
  template <typename T, typename Fn>
  static KEN_ALWAYS T each(Fn fn) {
    T result;
    for (int i = 0; i < 16; ++i) result.lane[i] = fn(i);
    return result;
  }
  static F zero() { return {}; }
  static I load(const std::byte* p) {
    I x;
    std::memcpy(&x, p, sizeof x);
    return x;
  }
  template <typename Fn>
  static I masked(I x, uint32_t mask, Fn shift) {
    return each<I>([&](int i) { return int32_t(shift(uint32_t(x.lane[i])) & mask); });
  }
  static I low_nibbles(I x) {
    return masked(x, 0x0f0f0f0f, [](uint32_t v) { return v; });
  }
  static I high_nibbles(I x) {
    return masked(x, 0x0f0f0f0f, [](uint32_t v) { return v >> 4; });
  }
  template <int n>
  static I shift_left(I x) {
    return masked(x, ~0u, [](uint32_t v) { return v << n; });
  }
  template <int n>
  static I shift_right(I x) {
    return masked(x, ~0u, [](uint32_t v) { return v >> n; });
  }
  static I with_upper(I w, I upper) {
    return each<I>([&](int i) { return w.lane[i] | (upper.lane[i] & 0x30303030); });
  }
  static I set(int32_t x) {
    return each<I>([&](int) { return x; });
  }
  static F set(float x) {
    return each<F>([&](int) { return x; });
  }
  static I dot(I acc, I w, const int8_t* x) {
    return each<I>([&](int i) {
      int32_t sum = acc.lane[i];
      for (int j = 0; j < 4; ++j) sum += int32_t(uint32_t(w.lane[i]) >> 8 * j & 255) * x[j];
      return sum;
    });
  }
  static F as_floats(I x) {
    return each<F>([&](int i) { return __builtin_bit_cast(float, x.lane[i]); });
  }
  static I times(I a, I b) {
    return each<I>([&](int i) { return a.lane[i] * b.lane[i]; });
  }
  static I plus(I a, I b) {
    return each<I>([&](int i) { return a.lane[i] + b.lane[i]; });
  }
  static F to_float(I x) {
    return each<F>([&](int i) { return float(x.lane[i]); });
  }
  static F mul(F a, F b) {
    return each<F>([&](int i) { return a.lane[i] * b.lane[i]; });
  }
  static F fma(F a, F b, F c) {
    return each<F>([&](int i) { return std::fma(a.lane[i], b.lane[i], c.lane[i]); });
  }
  static F load_half(const std::byte* p) {
    uint16_t h[16];
    std::memcpy(h, p, sizeof h);
    return each<F>([&](int i) { return quant::f16_to_f32(h[i]); });
  }
  static I load_int8(const std::byte* p) {
    return each<I>([&](int i) { return int32_t(int8_t(p[i])); });
  }
  static F load_uint8(const std::byte* p) {
    return each<F>([&](int i) { return float(uint8_t(p[i])); });
  }
  static void prefetch(const std::byte*, int64_t) {}
  static F dot_bf16(F acc, I w, const uint16_t* x) {
    const auto high = [](uint32_t both) { return __builtin_bit_cast(float, both & 0xffff0000); };
    const auto low = [](uint32_t both) { return __builtin_bit_cast(float, both << 16); };
    return each<F>([&](int i) {
      const auto both = uint32_t(w.lane[i]);
      return std::fma(low(both), kernels::load(x[0]), std::fma(high(both), kernels::load(x[1]), acc.lane[i]));
    });
  }
  static void store(F y, const PanelOutput& out, int64_t row, int64_t column, int64_t columns) {
    const int64_t at = row * out.stride + column;
    for (int64_t i = 0; i < 16 && column + i < columns; ++i) {
      if (out.bf16) {
        kernels::store(static_cast<bf16*>(out.y)[at + i], y.lane[i]);
      } else {
        static_cast<float*>(out.y)[at + i] = y.lane[i];
      }
    }
  }
};

}  // namespace

PanelProduct scalar_product(Plane plane, Scaling scaling) { return choose<VectorKernels<Scalar>>(plane, scaling); }

}  // namespace ken::kernels
