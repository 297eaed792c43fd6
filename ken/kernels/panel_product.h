// The product of rows with panels, written once over the vectors of a CPU kind V: V::I sixteen int32 (or 64 bytes),
// V::F sixteen floats. Included by one file per CPU kind, inside that kind's target.
#pragma once
#include "ken/kernels/panels.h"

namespace ken::kernels {
namespace {

#define KEN_ALWAYS inline __attribute__((always_inline))

template <class V, Plane plane>
KEN_ALWAYS void load_levels(const std::byte* panel, int64_t b, typename V::I (&w)[8]) {
  if constexpr (plane == Plane::byte) {
    const std::byte* at = panel + b * block_bytes(plane);
#pragma GCC unroll 8
    for (int j = 0; j < 8; ++j) w[j] = V::load(at + 64 * j);
  } else {
    const std::byte* at = panel + b * block_bytes(plane);
#pragma GCC unroll 4
    for (int j = 0; j < 4; ++j) {
      const auto both = V::load(at + 64 * j);
      w[j] = V::low_nibbles(both), w[j + 4] = V::high_nibbles(both);
    }
    if constexpr (plane == Plane::six) {
#pragma GCC unroll 2
      for (int j = 0; j < 2; ++j) {
        const auto upper = V::load(at + 256 + 64 * j);
        w[4 * j] = V::with_upper(w[4 * j], V::template shift_left<4>(upper));
        w[4 * j + 1] = V::with_upper(w[4 * j + 1], V::template shift_left<2>(upper));
        w[4 * j + 2] = V::with_upper(w[4 * j + 2], upper);
        w[4 * j + 3] = V::with_upper(w[4 * j + 3], V::template shift_right<2>(upper));
      }
    }
  }
}

template <class V>
struct Line {
  typename V::F step, minimum;  // minimum: where the coding has one
};
// The scales of 16 outputs x 32 inputs (not sub).
template <class V, Scaling scaling>
KEN_ALWAYS Line<V> scales_of(const std::byte* scales, int64_t b) {
  if constexpr (scaling == Scaling::block) {
    return {V::load_half(scales + b * 32), V::zero()};
  } else if constexpr (scaling == Scaling::line) {
    return {V::load_half(scales + b * 64), V::load_half(scales + b * 64 + 32)};
  } else {
    const std::byte* at = scales + b / 8 * grid_bytes;
    return {V::mul(V::load_half(at + 256), V::load_uint8(at + b % 8 * 32)),
            V::mul(V::load_half(at + 288), V::load_uint8(at + b % 8 * 32 + 16))};
  }
}
// y + what a block adds: `levels` is the sum of levels times q; d and sum are the row's scale and sum of q.
template <class V, Scaling scaling>
KEN_ALWAYS typename V::F added(typename V::F y, typename V::I levels, const Line<V>& line, float d, int32_t sum) {
  y = V::fma(V::to_float(levels), V::mul(line.step, V::set(d)), y);
  if constexpr (scaling == Scaling::block) return y;
  const float shift = d * float(sum);
  return V::fma(line.minimum, V::set(scaling == Scaling::line ? shift : -shift), y);
}

// One panel, and the rows of x that meet it, all of one tile: pointers to their first block.
struct Meeting {
  const std::byte *levels, *scales;
  const int8_t* q;
  const int16_t* wide;
  const float* d;
  const int32_t* sums;
  int64_t tile, blocks;
  int offset;
  Meeting(const Panels& p, int64_t panel, const PanelRows& x, int64_t row)
      : levels(p.levels + panel * p.level_bytes),
        scales(p.scales + panel * p.scale_bytes),
        tile(x.tile),
        blocks(p.in / panel_step),
        offset(p.offset) {
    const int64_t first = row / tile * tile * blocks, r = row % tile;
    q = x.q + first * 32 + r * 32, wide = x.wide ? x.wide + first * 32 + r * 32 : nullptr, d = x.scale + first + r,
    sums = x.sums + first * 2 + r;
  }
  // Of block b and the r-th of the rows.
  KEN_ALWAYS const int8_t* q_of(int64_t r, int64_t b) const { return q + b * tile * 32 + r * 32; }
  KEN_ALWAYS const int16_t* wide_of(int64_t r, int64_t b) const { return wide + b * tile * 32 + r * 32; }
  KEN_ALWAYS float d_of(int64_t r, int64_t b) const { return d[b * tile + r]; }
  KEN_ALWAYS int32_t first_half(int64_t r, int64_t b) const { return sums[b * tile * 2 + r]; }
  KEN_ALWAYS int32_t sum_of(int64_t r, int64_t b) const { return sums[b * tile * 2 + tile + r]; }
};

// acc[r] = sum of levels j from `first` on, of R rows, times their inputs, from -offset times the sum of those inputs.
template <class V, Plane plane, int R, int first, int n>
KEN_ALWAYS void add_levels(const Meeting& m, int64_t b, const typename V::I (&w)[8], typename V::I (&acc)[R]) {
  if constexpr (V::narrow_sums) {
    const std::byte* block = m.levels + b * block_bytes(plane);
    if constexpr (plane == Plane::byte) {
      V::template add_wide<R, first, n>(block, m.wide_of(0, b), acc);
    } else {
      V::template add_levels<plane, R, first, n>(block, m.q_of(0, b), acc);
    }
  } else {
#pragma GCC unroll 8
    for (int j = first; j < first + n; ++j) {
#pragma GCC unroll 16
      for (int r = 0; r < R; ++r) acc[r] = V::dot(acc[r], w[j], m.q_of(r, b) + 4 * j);
    }
  }
}

template <class V, Plane plane, Scaling scaling, int R>
KEN_ALWAYS void add_block(const Meeting& m, int64_t b, const typename V::I (&w)[8], typename V::F (&y)[R]) {
  typename V::I acc[R], other[R];
  if constexpr (scaling == Scaling::sub) {
    const std::byte* at = m.scales + b / 8 * sub_bytes;
    const auto step = V::load_half(at + 256);
    const auto low = V::load_int8(at + b % 8 * 32), high = V::load_int8(at + b % 8 * 32 + 16);
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r) acc[r] = V::set(-m.offset * m.first_half(r, b));
    add_levels<V, plane, R, 0, 4>(m, b, w, acc);
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r) {
      acc[r] = V::times(acc[r], low);
      other[r] = V::set(-m.offset * (m.sum_of(r, b) - m.first_half(r, b)));
    }
    add_levels<V, plane, R, 4, 4>(m, b, w, other);
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r) {
      const auto sum = V::plus(acc[r], V::times(other[r], high));
      y[r] = V::fma(V::to_float(sum), V::mul(step, V::set(m.d_of(r, b))), y[r]);
    }
  } else {
    const auto line = scales_of<V, scaling>(m.scales, b);
    constexpr bool shifted = scaling == Scaling::block;
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r) acc[r] = V::set(shifted ? -m.offset * m.sum_of(r, b) : int32_t{0});
    add_levels<V, plane, R, 0, 8>(m, b, w, acc);
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r) y[r] = added<V, scaling>(y[r], acc[r], line, m.d_of(r, b), m.sum_of(r, b));
  }
}

// Which memory a tile asks for ahead. One tile alone is limited by memory: it asks for what it reads soon. Where
// several meet a panel, they compute while the next panel comes: each asks for its share of it, a block in every
// `tiles`.
struct Ahead {
  int64_t distance = 4096, tiles = 1, tile = 0;
  Ahead(const Panels& p, int64_t rows, int64_t rows_a_tile) : tiles((rows + rows_a_tile - 1) / rows_a_tile) {
    if (tiles > 1) distance = p.level_bytes;
  }
};

// R rows from `row` on against one panel.
template <class V, Plane plane, Scaling scaling, int R>
KEN_ALWAYS void panel_tile(const Panels& p, int64_t panel, const PanelRows& x, int64_t row, const PanelOutput& out,
                           Ahead& ahead) {
  const Meeting m(p, panel, x, row);
  int64_t turn = ahead.tile++ % ahead.tiles;
  typename V::F y[R];
#pragma GCC unroll 16
  for (int r = 0; r < R; ++r) y[r] = V::zero();
  for (int64_t b = 0; b < m.blocks; ++b) {
    typename V::I w[8];
    if constexpr (!V::narrow_sums) load_levels<V, plane>(m.levels, b, w);
    if (turn == 0) V::prefetch(m.levels + b * block_bytes(plane) + ahead.distance, block_bytes(plane));
    turn = turn == 0 ? ahead.tiles - 1 : turn - 1;
    add_block<V, plane, scaling, R>(m, b, w, y);
  }
  for (int r = 0; r < R; ++r) V::store(y[r], out, row + r, panel * lane_count, p.out);
}

template <class V, Plane plane, Scaling scaling>
void panel_product(const Panels& p, const PanelRows& x, const PanelOutput& out, int64_t begin, int64_t end) {
  constexpr int most = V::wide ? 8 : 4;
  Ahead ahead(p, x.rows, most);
  for (int64_t panel = begin; panel < end; ++panel) {
    int64_t row = 0;
    ahead.tile = 0;
    for (; row + most <= x.rows; row += most) panel_tile<V, plane, scaling, most>(p, panel, x, row, out, ahead);
    if (most > 4 && row + 4 <= x.rows) panel_tile<V, plane, scaling, 4>(p, panel, x, row, out, ahead), row += 4;
    if (row + 2 <= x.rows) panel_tile<V, plane, scaling, 2>(p, panel, x, row, out, ahead), row += 2;
    if (row < x.rows) panel_tile<V, plane, scaling, 1>(p, panel, x, row, out, ahead);
  }
}

// Numbers: R rows against C panels, an input of f32 or a pair of bf16 at a time. The later of a pair is added first, as
// the CPU's own instruction does.
template <class V, Plane plane, int C, int R>
KEN_ALWAYS void number_tile(const Panels& p, int64_t panel, const PanelRows& x, int64_t row, const PanelOutput& out) {
  constexpr int step = plane == Plane::pair ? 2 : 1;
  const std::byte* levels = p.levels + panel * p.level_bytes;
  typename V::F y[R][C];
#pragma GCC unroll 16
  for (int r = 0; r < R; ++r)
#pragma GCC unroll 16
    for (int c = 0; c < C; ++c) y[r][c] = V::zero();
  for (int64_t k = 0; k < p.in; k += step) {
    typename V::I w[C];
#pragma GCC unroll 16
    for (int c = 0; c < C; ++c) {
      const std::byte* at = levels + c * p.level_bytes + k / step * 64;
      w[c] = V::load(at);
      V::prefetch(at + 4096, 64);
    }
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r)
#pragma GCC unroll 16
      for (int c = 0; c < C; ++c) {
        const int64_t place = (row + r) * p.in + k;
        y[r][c] = plane == Plane::pair ? V::dot_bf16(y[r][c], w[c], x.bf16 + place)
                                       : V::fma(V::as_floats(w[c]), V::set(x.f32[place]), y[r][c]);
      }
  }
  for (int r = 0; r < R; ++r)
    for (int c = 0; c < C; ++c) V::store(y[r][c], out, row + r, (panel + c) * lane_count, p.out);
}
template <class V, Plane plane, int C>
KEN_ALWAYS void number_rows(const Panels& p, int64_t panel, const PanelRows& x, const PanelOutput& out) {
  int64_t row = 0;
  if constexpr (V::wide) {
    for (; row + 12 <= x.rows; row += 12) number_tile<V, plane, C, 12>(p, panel, x, row, out);
    if (row + 8 <= x.rows) number_tile<V, plane, C, 8>(p, panel, x, row, out), row += 8;
  }
  for (; row + 4 <= x.rows; row += 4) number_tile<V, plane, C, 4>(p, panel, x, row, out);
  if (row + 2 <= x.rows) number_tile<V, plane, C, 2>(p, panel, x, row, out), row += 2;
  if (row < x.rows) number_tile<V, plane, C, 1>(p, panel, x, row, out);
}
template <class V, Plane plane>
void number_product(const Panels& p, const PanelRows& x, const PanelOutput& out, int64_t begin, int64_t end) {
  int64_t panel = begin;
  if (V::wide || x.rows < 4)  // elsewhere one panel's sums of four rows fill half of the registers
    for (; panel + 2 <= end; panel += 2) number_rows<V, plane, 2>(p, panel, x, out);
  for (; panel < end; ++panel) number_rows<V, plane, 1>(p, panel, x, out);
}

// The product of a CPU kind K for a coding; null where no format has it.
template <class K>
PanelProduct choose(Plane plane, Scaling scaling) {
  if (plane == Plane::pair) return K::pairs;
  if (plane == Plane::single) return K::singles;
  if (plane == Plane::byte)
    return scaling == Scaling::block ? K::template blocks<Plane::byte, Scaling::block> : nullptr;
  const bool four = plane == Plane::nibble;
  switch (scaling) {
    case Scaling::block:
      return four ? K::template blocks<Plane::nibble, Scaling::block> : K::template blocks<Plane::six, Scaling::block>;
    case Scaling::line:
      return four ? K::template blocks<Plane::nibble, Scaling::line> : K::template blocks<Plane::six, Scaling::line>;
    case Scaling::grid:
      return four ? K::template blocks<Plane::nibble, Scaling::grid> : K::template blocks<Plane::six, Scaling::grid>;
    case Scaling::sub:
      return four ? nullptr : K::template blocks<Plane::six, Scaling::sub>;
  }
  return nullptr;
}

template <class V>
struct VectorKernels {
  template <Plane plane, Scaling scaling>
  static constexpr PanelProduct blocks = panel_product<V, plane, scaling>;
  static constexpr PanelProduct pairs = number_product<V, Plane::pair>, singles = number_product<V, Plane::single>;
};

}  // namespace
}  // namespace ken::kernels
