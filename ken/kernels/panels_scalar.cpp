// Products with panels in plain C++: what the other CPU kinds must equal bit for bit, and what any CPU can run.
#include <cmath>
#include <cstring>

#include "ken/kernels/panel_kinds.h"
#include "ken/kernels/panel_product.h"
#include "ken/kernels/simd.h"

namespace ken::kernels {
namespace {

// gcc's and clang's own vectors: sixteen lanes on any CPU, in as many registers as it takes.
using Int = int32_t __attribute__((vector_size(64)));
using Word = uint32_t __attribute__((vector_size(64)));
using Float = float __attribute__((vector_size(64)));

struct Scalar {
  static constexpr bool wide = false, narrow_sums = false;
  struct I {
    Int lane;
  };
  struct F {
    Float lane;
  };
  template <typename T, typename Fn>
  static KEN_ALWAYS T each(Fn fn) {
    T result;
#pragma GCC unroll 1
    for (int i = 0; i < 16; ++i) result.lane[i] = fn(i);
    return result;
  }
  static F zero() { return {Float{}}; }
  static I load(const std::byte* p) {
    I x;
    std::memcpy(&x, p, sizeof x);
    return x;
  }
  static I low_nibbles(I x) { return {x.lane & 0x0f0f0f0f}; }
  static I high_nibbles(I x) { return {x.lane >> 4 & 0x0f0f0f0f}; }
  template <int n>
  static I shift_left(I x) {
    return {Int(Word(x.lane) << n)};
  }
  template <int n>
  static I shift_right(I x) {
    return {Int(Word(x.lane) >> n)};
  }
  static I with_upper(I w, I upper) { return {w.lane | (upper.lane & 0x30303030)}; }
  static I set(int32_t x) { return {Int{} + x}; }
  static F set(float x) { return {Float{} + x}; }
  static I dot(I acc, I w, const int8_t* x) {
    Int sum = acc.lane;
    for (int j = 0; j < 4; ++j) sum += (w.lane >> 8 * j & 255) * int32_t(x[j]);
    return {sum};
  }
  static F as_floats(I x) { return __builtin_bit_cast(F, x); }
  static I times(I a, I b) { return {a.lane * b.lane}; }
  static I plus(I a, I b) { return {a.lane + b.lane}; }
  static F to_float(I x) { return {__builtin_convertvector(x.lane, Float)}; }
  static F mul(F a, F b) { return {a.lane * b.lane}; }
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
