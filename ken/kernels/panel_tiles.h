// Products with panels by matrix tiles of sixteen rows (Intel AMX), written over the tile operations T, so that tests
// can run the same code on tiles in plain memory. T::integers32 and integers16 give the sums of 32 or 16 inputs of
// sixteen rows and a panel; T::pairs adds 32 bf16 inputs to up to four such tiles of sums. Included inside a target
// with AVX-512.
//
// Integer results equal the other CPU kinds' bit for bit. bf16 sums take the even and the odd inputs of 32 apart, as
// the hardware does: their own bits, the same for every number of rows, because a tile is always filled up with zeros.
#pragma once
#include <algorithm>
#include <cstring>
#include <vector>

#include "ken/kernels/vector_avx512.h"

namespace ken::kernels {
namespace {

constexpr int64_t tile_rows = 16;
constexpr int64_t fewest_tiled = 4;  // rows of int8 below which vectors alone are as fast

// The levels of a panel as bytes.
template <Plane plane>
const std::byte* byte_levels(const Panels& p, int64_t panel, std::vector<std::byte>& scratch) {
  const std::byte* levels = p.levels + panel * p.level_bytes;
  if constexpr (plane == Plane::byte) return levels;
  scratch.resize(size_t(p.in * lane_count));
  for (int64_t b = 0; b < p.in / panel_step; ++b) {
    __m512i w[8];
    load_levels<Avx512, plane>(levels, b, w);
    for (int j = 0; j < 8; ++j) _mm512_storeu_si512(scratch.data() + b * block_bytes(Plane::byte) + 64 * j, w[j]);
  }
  return scratch.data();
}

// Adds a block of 32 inputs to the results of sixteen rows.
template <class T, Scaling scaling>
KEN_ALWAYS void tile_block(const Meeting& m, int64_t b, __m512 (&y)[tile_rows]) {
  const int8_t* q = m.q_of(0, b);
  alignas(64) int32_t c[2][tile_rows][16];
  const auto total = [&](int part, int64_t r, int32_t sum) {
    return _mm512_add_epi32(_mm512_load_si512(c[part][r]), _mm512_set1_epi32(-m.offset * sum));
  };
  if constexpr (scaling == Scaling::sub) {
    const std::byte* at = m.scales + b / 8 * sub_bytes;
    const __m512 step = Avx512::load_half(at + 256);
    const __m512i low = Avx512::load_int8(at + b % 8 * 32), high = Avx512::load_int8(at + b % 8 * 32 + 16);
    T::integers16(q, panel_step, m.levels + b * block_bytes(Plane::byte), c[0]);
    T::integers16(q + 16, panel_step, m.levels + b * block_bytes(Plane::byte) + 256, c[1]);
#pragma GCC unroll 16
    for (int64_t r = 0; r < tile_rows; ++r) {
      const int32_t first = m.first_half(r, b);
      const __m512i sum = _mm512_add_epi32(_mm512_mullo_epi32(total(0, r, first), low),
                                           _mm512_mullo_epi32(total(1, r, m.sum_of(r, b) - first), high));
      y[r] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(sum), _mm512_mul_ps(step, _mm512_set1_ps(m.d_of(r, b))), y[r]);
    }
  } else {
    const auto line = scales_of<Avx512, scaling>(m.scales, b);
    T::integers32(q, panel_step, m.levels + b * block_bytes(Plane::byte), c[0]);
#pragma GCC unroll 16
    for (int64_t r = 0; r < tile_rows; ++r) {
      const int32_t sum = m.sum_of(r, b);
      y[r] = added<Avx512, scaling>(y[r], total(0, r, sum), line, m.d_of(r, b), sum);
    }
  }
}

template <class T, Scaling scaling>
void integer_tile(const Panels& p, const PanelRows& x, const std::byte* levels, int64_t panel, int64_t row,
                  const PanelOutput& out) {
  Meeting m(p, panel, x, row);
  m.levels = levels;
  __m512 y[tile_rows];
  for (auto& sum : y) sum = _mm512_setzero_ps();
  for (int64_t b = 0; b < m.blocks; ++b) tile_block<T, scaling>(m, b, y);
  for (int64_t r = 0; r < std::min(tile_rows, x.rows - row); ++r)
    Avx512::store(y[r], out, row + r, panel * lane_count, p.out);
}

template <class T, Plane plane, Scaling scaling>
void integer_tiles(const Panels& p, const PanelRows& x, const PanelOutput& out, int64_t begin, int64_t end) {
  if (x.rows < fewest_tiled) return panel_product<Avx512, plane, scaling>(p, x, out, begin, end);
  const int64_t full = x.rows / tile_rows * tile_rows, left = x.rows - full;
  const PanelRows rest{left, x.tile, x.q + full * p.in, nullptr, x.scale + full * p.in / 32, x.sums + full * p.in / 16};
  const PanelOutput below{static_cast<std::byte*>(out.y) + full * out.stride * (out.bf16 ? 2 : 4), out.stride,
                          out.bf16};
  T::configure_integers();
  std::vector<std::byte> scratch;
  for (int64_t panel = begin; panel < end; ++panel) {
    const std::byte* levels = byte_levels<plane>(p, panel, scratch);
    for (int64_t row = 0; row < (left < fewest_tiled ? full : x.rows); row += tile_rows)
      integer_tile<T, scaling>(p, x, levels, panel, row, out);
    if (left > 0 && left < fewest_tiled) panel_product<Avx512, plane, scaling>(p, rest, below, panel, panel + 1);
  }
  T::release();
}

// The bf16 rows that fill no tile, followed by zeros.
struct LastRows {
  std::vector<uint16_t> bf16;
  int64_t whole, left;  // tiles that are full; rows of the last
  LastRows(const Panels& p, const PanelRows& x) : whole(x.rows / tile_rows), left(x.rows % tile_rows) {
    if (left == 0) return;
    bf16.assign(size_t(tile_rows * p.in), 0);
    std::memcpy(bf16.data(), x.bf16 + whole * tile_rows * p.in, size_t(left * p.in) * sizeof bf16[0]);
  }
};

// bf16: up to two tiles of rows against up to two panels, so that each tile that is loaded serves twice.
struct RowTile {
  const uint16_t* rows;
  int64_t to_row, stored;
};
template <class T, int R, int C>
void pair_tiles(const Panels& p, const RowTile* tiles, int64_t panel, const PanelOutput& out) {
  const std::byte* levels = p.levels + panel * p.level_bytes;
  T::clear();
  for (int64_t k = 0; k < p.in; k += 32)
    T::template pairs<R, C>(tiles[0].rows + k, tiles[R - 1].rows + k, p.in, levels + k * 32,
                            levels + (C - 1) * p.level_bytes + k * 32);
  alignas(64) float c[tile_rows][16];
  for (int r = 0; r < R; ++r) {
    for (int j = 0; j < C; ++j) {
      T::result(r, j, c);
      for (int64_t i = 0; i < tiles[r].stored; ++i)
        Avx512::store(_mm512_load_ps(c[i]), out, tiles[r].to_row + i, (panel + j) * lane_count, p.out);
    }
  }
}
template <class T, int C>
void pair_columns(const Panels& p, const std::vector<RowTile>& tiles, int64_t panel, const PanelOutput& out) {
  size_t t = 0;
  for (; t + 2 <= tiles.size(); t += 2) pair_tiles<T, 2, C>(p, &tiles[t], panel, out);
  if (t < tiles.size()) pair_tiles<T, 1, C>(p, &tiles[t], panel, out);
}
template <class T>
void all_pair_tiles(const Panels& p, const PanelRows& x, const PanelOutput& out, int64_t begin, int64_t end) {
  const LastRows last(p, x);
  std::vector<RowTile> tiles;
  for (int64_t t = 0; t < last.whole; ++t) tiles.push_back({x.bf16 + t * tile_rows * p.in, t * tile_rows, tile_rows});
  if (last.left > 0) tiles.push_back({last.bf16.data(), last.whole * tile_rows, last.left});
  T::configure_pairs();
  int64_t panel = begin;
  for (; panel + 2 <= end; panel += 2) pair_columns<T, 2>(p, tiles, panel, out);
  if (panel < end) pair_columns<T, 1>(p, tiles, panel, out);
  T::release();
}

template <class T>
struct TileKernels {
  template <Plane plane, Scaling scaling>
  static constexpr PanelProduct blocks = integer_tiles<T, plane, scaling>;
  static constexpr PanelProduct pairs = all_pair_tiles<T>, singles = number_product<Avx512, Plane::single>;
};

}  // namespace
}  // namespace ken::kernels
