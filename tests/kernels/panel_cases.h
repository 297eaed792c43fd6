// Matrices in panels and rows for them, with what they stand for in plain floats.
#pragma once
#include <cmath>
#include <cstring>
#include <random>
#include <vector>

#include "ken/kernels/panel_pack.h"
#include "ken/quant/half.h"

namespace ken::kernels {

struct Case {
  std::vector<std::byte> stored, levels, scales;
  std::vector<float> dense;  // [out, in]: what the stored values stand for
  StoredMatrix matrix;
  Panels panels;
};

inline std::vector<float> normals(int64_t n, uint64_t seed) {
  std::mt19937_64 engine(seed);
  std::normal_distribution<float> normal;
  std::vector<float> x(static_cast<size_t>(n));
  for (float& value : x) value = normal(engine);
  return x;
}

inline void pack(Case& c) {
  c.panels = panel_form(c.matrix);
  c.levels.resize(size_t(c.panels.count() * c.panels.level_bytes));
  c.scales.resize(size_t(c.panels.count() * c.panels.scale_bytes));
  c.panels.levels = c.levels.data(), c.panels.scales = c.scales.data();
  const int64_t half = c.panels.count() / 2;
  pack_panels(c.matrix, c.panels, half, c.panels.count());
  pack_panels(c.matrix, c.panels, 0, half);
}

// A random matrix in a format, or in bf16 where there is none.
inline Case make_case(const quant::Format* format, int64_t out, int64_t in) {
  Case c;
  std::vector<float> values = normals(out * in, 7);
  c.dense.resize(values.size());
  if (format) {
    c.stored.resize(format->bytes_of(out * in));
    quant::quantize(*format, values.data(), c.stored.data(), out * in);
    quant::dequantize(*format, c.stored.data(), c.dense.data(), out * in);
  } else {
    c.stored.resize(values.size() * 2);
    for (size_t i = 0; i < values.size(); ++i) {
      const uint16_t bits = quant::f32_to_bf16(values[i]);
      std::memcpy(c.stored.data() + 2 * i, &bits, 2);
      c.dense[i] = quant::bf16_to_f32(bits);
    }
  }
  c.matrix = {c.stored.data(), format ? Stored::blocks : Stored::bf16, format, out, in};
  pack(c);
  return c;
}

// n rows of bf16 as a call gets them.
struct Quantized {
  std::vector<int8_t> q;
  std::vector<float> scale;
  std::vector<int32_t> sums;
  std::vector<int16_t> wide;
  PanelRows rows;
  Quantized(const uint16_t* x, int64_t n, int64_t in, int64_t tile) {
    const size_t all = size_t((n + tile - 1) / tile * tile * in);
    q.assign(all, 99), scale.assign(all / 32, NAN), sums.assign(all / 16, 99999);  // beyond the rows: anything
    wide.assign(all, 999);
    quantize_rows(x, in, 0, n, {tile, q.data(), scale.data(), sums.data(), wide.data()});
    rows = {n, tile, q.data(), wide.data(), scale.data(), sums.data(), x};
  }
  operator const PanelRows&() const { return rows; }
};

struct Rows {
  std::vector<uint16_t> bf16;
  std::vector<float> dense;  // what the kernels see of the rows
  Quantized view(int64_t first, int64_t n, int64_t in) const {
    return {bf16.data() + first * in, n, in, rows_a_tile(n, Cpu::amx)};  // which every kind can read
  }
};

inline Rows make_rows(int64_t n, int64_t in, bool integers) {
  Rows rows;
  for (const float x : normals(n * in, 11)) rows.bf16.push_back(quant::f32_to_bf16(3 * x));
  const Quantized q(rows.bf16.data(), n, in, 1);
  for (size_t i = 0; i < rows.bf16.size(); ++i)
    rows.dense.push_back(integers ? float(q.q[i]) * q.scale[i / 32] : quant::bf16_to_f32(rows.bf16[i]));
  return rows;
}

inline std::vector<float> product(const Case& c, PanelProduct fn, const PanelRows& rows) {
  std::vector<float> y(size_t(rows.rows * c.panels.out), -1);
  fn(c.panels, rows, {y.data(), c.panels.out, false}, 0, c.panels.count());
  return y;
}

// The sum over decoded weights, and the sum of its terms' magnitudes.
struct Expected {
  double sum = 0, magnitude = 0;
};
inline Expected expected(const Case& c, const Rows& rows, int64_t r, int64_t o) {
  const int64_t in = c.panels.in;
  Expected result;
  for (int64_t k = 0; k < in; ++k) {
    const double term = double(rows.dense[size_t(r * in + k)]) * double(c.dense[size_t(o * in + k)]);
    result.sum += term, result.magnitude += std::fabs(term);
  }
  return result;
}

}  // namespace ken::kernels
