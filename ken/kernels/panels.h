// Weights in panels: sixteen outputs side by side, so that one vector holds the sixteen's next inputs and a product of
// any number of rows reads each weight once, front to back. The values are the file's own (the same levels, scales and
// minima), only their order differs. No torch here: the product kernels compile by themselves, one file per CPU kind.
//
// A sum is always one chain per output, in the order of the inputs: a row's result does not depend on how many rows or
// threads there are, nor (integers being exact) on the CPU kind.
#pragma once
#include <cstddef>
#include <cstdint>

#include "ken/quant/coding.h"

namespace ken::kernels {

inline constexpr int64_t lane_count = 16, panel_step = 32;  // outputs of a panel; inputs of a block of it

// How the levels of a block of 16 x 32 lie. byte: 8 vectors of 64 bytes, [input / 4][output][input % 4]. nibble: 4
// vectors; the low halves are vectors 0-3 of `byte`, the high ones 4-7. six: nibble, then 2 vectors with the upper two
// bits: vector j's bits (2i, 2i + 1) belong to vector 4j + i. pair: bf16, [input / 2][output][input % 2]. single: f32,
// [input][output].
enum class Plane { byte, nibble, six, pair, single };

constexpr int64_t block_bytes(Plane plane) {  // of levels; not of pair and single
  return plane == Plane::byte ? 512 : plane == Plane::nibble ? 256 : 384;
}

using quant::Scaling;

// Scales of 16 outputs: block f16 by 32 inputs; line f16 d, then m by 32 inputs; grid, by 256 inputs, eight times sc
// and mn, then f16 d and m; sub, by 256 inputs, eight times the scales of two 16 inputs, then f16 d. None for pair and
// single.
inline constexpr int64_t grid_bytes = 320, sub_bytes = 288;  // by 256 inputs

struct Panels {
  Plane plane = Plane::pair;
  Scaling scaling = Scaling::block;
  int offset = 0;
  int64_t out = 0, in = 0;                   // in: a multiple of 32 (pair: of 2)
  const std::byte* levels = nullptr;         // [panels][bytes]
  const std::byte* scales = nullptr;         // [panels][bytes]
  int64_t level_bytes = 0, scale_bytes = 0;  // of a panel

  int64_t count() const { return (out + lane_count - 1) / lane_count; }
};

// Rows as the kernels read them. Int8: x ~ scale q by 32 inputs, in tiles of rows whose blocks lie side by side, so
// that one address serves all rows of a product. bf16 and f32: the values.
struct PanelRows {
  int64_t rows = 0, tile = 1;      // what the last tile has beyond the rows may be anything
  const int8_t* q = nullptr;       // [tiles, in / 32, tile, 32]
  const int16_t* wide = nullptr;   // the same, of 32 the 16 even ones first: for a CPU kind that wants_wide
  const float* scale = nullptr;    // [tiles, in / 32, tile]
  const int32_t* sums = nullptr;   // of q: [tiles, in / 32, {the first 16 inputs, all 32}, tile]
  const uint16_t* bf16 = nullptr;  // [rows, in]
  const float* f32 = nullptr;      // [rows, in]
};

// Where results go: y[row, first output of the matrix + output], f32 or bf16.
struct PanelOutput {
  void* y = nullptr;
  int64_t stride = 0;  // elements from row to row
  bool bf16 = false;
};

// Panels [begin, end) of all rows.
using PanelProduct = void (*)(const Panels&, const PanelRows&, const PanelOutput&, int64_t begin, int64_t end);

}  // namespace ken::kernels
