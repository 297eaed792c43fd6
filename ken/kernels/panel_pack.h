// From a stored matrix to panels, and from rows of activations to what products with panels read.
#pragma once
#include <algorithm>

#include "ken/kernels/cpu.h"
#include "ken/kernels/panels.h"
#include "ken/kernels/stored.h"

namespace ken::kernels {

// Whether there is a panel form: blocks of 32 or 256 inputs, or an even number of inputs of plain numbers (which become
// bf16).
bool has_panels(const StoredMatrix& from);
// The form that a matrix takes; levels and scales are still null.
Panels panel_form(const StoredMatrix& from);
// The form of f32 arithmetic, which any matrix has.
Panels single_form(const StoredMatrix& from);
// Fills panels [begin, end); levels and scales point at zeros.
void pack_panels(const StoredMatrix& from, const Panels& to, int64_t begin, int64_t end);

// Rows that a CPU kind takes at once, and so wants side by side: in a wider tile they would lie in a part of the
// cache's sets only.
constexpr int64_t rows_a_tile(int64_t rows, Cpu kind) {
  if (rows < 4) return rows < 3 ? std::max<int64_t>(rows, 1) : 4;
  return kind == Cpu::amx ? 16 : kind == Cpu::avx512 || kind == Cpu::avx512_bf16 ? 8 : 4;
}

// Whether bytes are multiplied as pairs of 16 bits, because the CPU kind's product of bytes saturates.
constexpr bool wants_wide(Cpu kind, Plane plane) { return kind == Cpu::avx2 && plane == Plane::byte; }

// Rows [begin, end) to int8 as PanelRows has them: by 32 inputs x ~ scale q, |q| <= 127, scale = max |x| / 127. x f32
// or bf16 [rows, in].
struct QuantizedRows {
  int64_t tile;
  int8_t* q;
  float* scale;
  int32_t* sums;
  int16_t* wide = nullptr;  // null where it is not wanted
};
void quantize_rows(const float* x, int64_t in, int64_t begin, int64_t end, const QuantizedRows& to);
void quantize_rows(const uint16_t* x, int64_t in, int64_t begin, int64_t end, const QuantizedRows& to);

PanelProduct product_for(Cpu kind, const Panels& panels);

}  // namespace ken::kernels
