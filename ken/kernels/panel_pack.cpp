#include "ken/kernels/panel_pack.h"

#include <cstring>
#include <vector>

#include "ken/kernels/panel_kinds.h"

namespace ken::kernels {
namespace {

using quant::SplitBlock;

Plane plane_of(const quant::Format* format) {
  if (!format) return Plane::pair;
  return format->coding.bits == 8 ? Plane::byte : format->coding.bits == 4 ? Plane::nibble : Plane::six;
}

int64_t level_bytes_of(Plane plane, int64_t in) {
  if (plane == Plane::single) return in * 4 * lane_count;
  if (plane == Plane::pair) return in * 2 * lane_count;
  return in / panel_step * block_bytes(plane);
}

int64_t scale_bytes_of(Scaling scaling, int64_t in) {
  switch (scaling) {
    case Scaling::block:
      return in / 32 * 2 * lane_count;
    case Scaling::line:
      return in / 32 * 4 * lane_count;
    case Scaling::grid:
      return in / 256 * grid_bytes;
    case Scaling::sub:
      return in / 256 * sub_bytes;
  }
  return 0;
}

void put(std::byte* to, uint32_t value) { std::memcpy(to, &value, 4); }
void put_half(std::byte* to, uint16_t value) { std::memcpy(to, &value, 2); }

// 32 levels of output `o` into their block.
void put_levels(Plane plane, const uint8_t* q, std::byte* block, int64_t o) {
  uint32_t four[8];
  std::memcpy(four, q, sizeof four);
  std::byte* to = block + 4 * o;
  if (plane == Plane::byte) {
    for (int j = 0; j < 8; ++j) put(to + 64 * j, four[j]);
    return;
  }
  constexpr uint32_t low = 0x0f0f0f0f;
  for (int j = 0; j < 4; ++j) put(to + 64 * j, (four[j] & low) | (four[j + 4] & low) << 4);
  if (plane == Plane::nibble) return;
  for (int half = 0; half < 2; ++half) {
    uint32_t upper = 0;
    for (int i = 0; i < 4; ++i) upper |= (four[4 * half + i] >> 4 & 0x03030303) << 2 * i;
    put(to + 256 + 64 * half, upper);
  }
}

void put_scales(Scaling scaling, const SplitBlock& split, int64_t blocks, std::byte* scales, int64_t b, int64_t o) {
  if (scaling == Scaling::block) return put_half(scales + b * 32 + 2 * o, split.d);
  if (scaling == Scaling::line) {
    put_half(scales + b * 64 + 2 * o, split.d);
    return put_half(scales + b * 64 + 32 + 2 * o, split.m);
  }
  const bool grid = scaling == Scaling::grid;
  std::byte* to = scales + b / 8 * (grid ? grid_bytes : sub_bytes);
  for (int64_t i = 0; i < blocks; ++i) {
    const auto s = size_t(i);
    to[32 * i + o] = std::byte(split.scales[grid ? s : 2 * s]);
    to[32 * i + 16 + o] = std::byte(grid ? split.minima[s] : split.scales[2 * s + 1]);
  }
  put_half(to + 256 + 2 * o, split.d);
  if (grid) put_half(to + 288 + 2 * o, split.m);
}

void pack_blocks(const StoredMatrix& from, const Panels& to, int64_t row, std::byte* levels, std::byte* scales) {
  const quant::Format& format = *from.format;
  const auto* in = static_cast<const uint8_t*>(from.data) + size_t(row) * format.bytes_of(from.in);
  const int64_t steps = format.block / panel_step, step_bytes = level_bytes_of(to.plane, panel_step),
                o = row % lane_count;
  SplitBlock split;
  for (int64_t b = 0; b < from.in / panel_step; b += steps, in += format.bytes) {
    format.split(in, split);
    for (int64_t i = 0; i < steps; ++i)
      put_levels(to.plane, &split.q[size_t(32 * i)], levels + (b + i) * step_bytes, o);
    put_scales(to.scaling, split, steps, scales, b, o);
  }
}

void pack_pairs(const StoredMatrix& from, int64_t row, std::byte* levels) {
  static thread_local std::vector<bf16> values;
  values.resize(size_t(from.in));
  widen_row(from, row, values.data());
  for (int64_t k = 0; k < from.in; ++k)
    put_half(levels + k / 2 * 64 + 4 * (row % lane_count) + k % 2 * 2, values[size_t(k)]);
}

// A row as f32: in place where it is stored so.
const float* row_of(const StoredMatrix& from, int64_t row, std::vector<float>& space) {
  if (from.type == Stored::f32) return static_cast<const float*>(from.data) + row * from.in;
  space.resize(size_t(from.in));
  widen_row(from, row, space.data());
  return space.data();
}

// Sixteen rows side by side; rows beyond the matrix are zeros.
void pack_singles(const StoredMatrix& from, int64_t panel, float* to) {
  static thread_local std::vector<float> space[lane_count], zeros;
  const float* rows[lane_count];
  for (int64_t o = 0; o < lane_count; ++o) {
    const int64_t row = panel * lane_count + o;
    if (row >= from.out) zeros.assign(size_t(from.in), 0.0f);
    rows[o] = row < from.out ? row_of(from, row, space[o]) : zeros.data();
  }
  for (int64_t k = 0; k < from.in; ++k)
    for (int64_t o = 0; o < lane_count; ++o) to[k * lane_count + o] = rows[o][k];
}

// A block with NaN or infinity gets the scale NaN, so that damage is seen in the result.
template <typename T>
KEN_INLINE void quantize_block(const T* x, int64_t tile, int8_t* q, float* scale, int32_t* sums) {
  float values[32];
  uint32_t most = 0;  // of the magnitudes' bits, which order as the magnitudes do, with infinity and NaN on top
#pragma omp simd reduction(max : most)
  for (int i = 0; i < 32; ++i) {
    values[i] = load(x[i]);
    const uint32_t magnitude = __builtin_bit_cast(uint32_t, values[i]) & 0x7fffffff;
    most = magnitude > most ? magnitude : most;
  }
  const bool damage = most >= 0x7f800000;
  const float largest = __builtin_bit_cast(float, most);
  if (damage || largest < 0x1p-120f) {  // not finite; or 127 / largest would leave the range
    *scale = damage ? NAN : 0.0f;
    std::memset(q, 0, 32);
    sums[0] = sums[tile] = 0;
    return;
  }
  const float inverse = 127.0f / largest;
  *scale = largest / 127.0f;
  int32_t levels[32];
#pragma omp simd
  for (int i = 0; i < 32; ++i) levels[i] = int32_t(std::nearbyint(values[i] * inverse));
  int32_t first = 0, second = 0;
#pragma omp simd reduction(+ : first)
  for (int i = 0; i < 16; ++i) first += levels[i];
#pragma omp simd reduction(+ : second)
  for (int i = 16; i < 32; ++i) second += levels[i];
  sums[0] = first, sums[tile] = first + second;
#pragma omp simd
  for (int i = 0; i < 32; ++i) q[i] = int8_t(levels[i]);
}
KEN_INLINE void widen_block(const int8_t* q, int16_t* wide) {
#pragma omp simd
  for (int i = 0; i < 16; ++i) wide[i] = q[2 * i], wide[16 + i] = q[2 * i + 1];
}
template <typename T>
KEN_INLINE void quantize_any(const T* x, int64_t in, int64_t begin, int64_t end, const QuantizedRows& to) {
  for (int64_t row = begin; row < end; ++row) {
    const int64_t first = row / to.tile * (in / 32), r = row % to.tile;
    for (int64_t b = 0; b < in / 32; ++b) {
      const int64_t block = (first + b) * to.tile;
      int8_t* q = to.q + 32 * (block + r);
      quantize_block(x + row * in + 32 * b, to.tile, q, to.scale + block + r, to.sums + 2 * block + r);
      if (to.wide) widen_block(q, to.wide + 32 * (block + r));
    }
  }
}

}  // namespace

KEN_CLONES void quantize_rows(const float* x, int64_t in, int64_t begin, int64_t end, const QuantizedRows& to) {
  quantize_any(x, in, begin, end, to);
}
KEN_CLONES void quantize_rows(const uint16_t* x, int64_t in, int64_t begin, int64_t end, const QuantizedRows& to) {
  quantize_any(x, in, begin, end, to);
}

bool has_panels(const StoredMatrix& from) {
  return from.format ? from.format->split && from.in % from.format->block == 0 : from.in % 2 == 0;
}

Panels panel_form(const StoredMatrix& from) {
  Panels form{.plane = plane_of(from.format), .out = from.out, .in = from.in};
  form.level_bytes = level_bytes_of(form.plane, from.in);
  if (!from.format) return form;
  form.scaling = from.format->coding.scaling;
  form.offset = from.format->coding.offset;
  form.scale_bytes = scale_bytes_of(form.scaling, from.in);
  return form;
}

Panels single_form(const StoredMatrix& from) {
  Panels form{.plane = Plane::single, .out = from.out, .in = from.in};
  form.level_bytes = level_bytes_of(form.plane, from.in);
  return form;
}

void pack_panels(const StoredMatrix& from, const Panels& to, int64_t begin, int64_t end) {
  if (to.plane == Plane::single) {
    for (int64_t panel = begin; panel < end; ++panel)
      pack_singles(from, panel, reinterpret_cast<float*>(const_cast<std::byte*>(to.levels) + panel * to.level_bytes));
    return;
  }
  for (int64_t row = begin * lane_count; row < std::min(from.out, end * lane_count); ++row) {
    const int64_t panel = row / lane_count;
    auto* levels = const_cast<std::byte*>(to.levels) + panel * to.level_bytes;
    if (from.format) {
      pack_blocks(from, to, row, levels, const_cast<std::byte*>(to.scales) + panel * to.scale_bytes);
    } else {
      pack_pairs(from, row, levels);
    }
  }
}

PanelProduct product_for(Cpu kind, const Panels& panels) {
  switch (kind) {
#if defined(__x86_64__)
    case Cpu::amx:
      if (panels.plane != Plane::pair || panels.in % 32 == 0) return amx_product(panels.plane, panels.scaling);
      [[fallthrough]];
    case Cpu::avx512_bf16:
      return avx512_bf16_product(panels.plane, panels.scaling);
    case Cpu::avx512:
      return avx512_product(panels.plane, panels.scaling);
    case Cpu::avx2:
      return avx2_product(panels.plane, panels.scaling);
#endif
    default:
      return scalar_product(panels.plane, panels.scaling);
  }
}

}  // namespace ken::kernels
