// Products with panels by Intel AMX.
#if defined(__x86_64__)
#include <immintrin.h>

// Before the target: code of these templates is shared with the rest of the program, which runs on any CPU.
#include <algorithm>
#include <cstring>
#include <vector>

#include "ken/kernels/panel_kinds.h"

// gcc 12 takes the undefined operand that its own headers pass for a mistake.
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#pragma GCC target("avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,f16c,fma,amx-tile,amx-int8,amx-bf16")
#include "ken/kernels/panel_tiles.h"

namespace ken::kernels {
namespace {

// Tiles 0-3 hold sums (16 rows of 16), 4 and 5 rows of x, 6 and 7 parts of panels (64 bytes a row). Integers: 4 and 6
// for 32 inputs, 5 and 7 for 16. The instructions take the numbers as constants.
struct Amx {
  struct alignas(64) Configuration {
    uint8_t palette = 1, start_row = 0, reserved[14] = {};
    uint16_t bytes[16] = {};
    uint8_t rows[16] = {};
  };
  static Configuration shapes(int x_bytes_4, int x_bytes_5) {
    Configuration shape;
    for (int t = 0; t < 8; ++t) shape.rows[t] = 16, shape.bytes[t] = 64;
    shape.bytes[4] = uint16_t(x_bytes_4), shape.bytes[5] = uint16_t(x_bytes_5);
    shape.rows[6] = uint8_t(x_bytes_4 / 4), shape.rows[7] = uint8_t(x_bytes_5 / 4);
    return shape;
  }
  static void configure_integers() {
    const Configuration shape = shapes(32, 16);
    _tile_loadconfig(&shape);
  }
  static void configure_pairs() {
    const Configuration shape = shapes(64, 64);
    _tile_loadconfig(&shape);
  }
  static void release() { _tile_release(); }

  static KEN_ALWAYS void integers32(const int8_t* x, int64_t stride, const std::byte* levels, int32_t (*c)[16]) {
    _tile_zero(0);
    _tile_loadd(4, x, stride);
    _tile_loadd(6, levels, 64);
    _tile_dpbsud(0, 4, 6);
    _tile_stored(0, c, 64);
  }
  static KEN_ALWAYS void integers16(const int8_t* x, int64_t stride, const std::byte* levels, int32_t (*c)[16]) {
    _tile_zero(1);
    _tile_loadd(5, x, stride);
    _tile_loadd(7, levels, 64);
    _tile_dpbsud(1, 5, 7);
    _tile_stored(1, c, 64);
  }

  // Sums of row tile r and panel c in tile 2 r + c.
  static KEN_ALWAYS void clear() {
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
  }
  template <int R, int C>
  static KEN_ALWAYS void pairs(const uint16_t* first, const uint16_t* second, int64_t in, const std::byte* left,
                               const std::byte* right) {
    _tile_loadd(4, first, in * 2);
    _tile_loadd(6, left, 64);
    _tile_dpbf16ps(0, 4, 6);
    if constexpr (C == 2) {
      _tile_loadd(7, right, 64);
      _tile_dpbf16ps(1, 4, 7);
    }
    if constexpr (R == 2) {
      _tile_loadd(5, second, in * 2);
      _tile_dpbf16ps(2, 5, 6);
      if constexpr (C == 2) _tile_dpbf16ps(3, 5, 7);
    }
  }
  static KEN_ALWAYS void result(int r, int c, float (*to)[16]) {
    switch (2 * r + c) {
      case 0:
        _tile_stored(0, to, 64);
        break;
      case 1:
        _tile_stored(1, to, 64);
        break;
      case 2:
        _tile_stored(2, to, 64);
        break;
      default:
        _tile_stored(3, to, 64);
        break;
    }
  }
};

}  // namespace

PanelProduct amx_product(Plane plane, Scaling scaling) { return choose<TileKernels<Amx>>(plane, scaling); }

}  // namespace ken::kernels
#endif
