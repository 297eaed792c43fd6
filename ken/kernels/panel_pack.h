// From a stored matrix to panels, and from rows of activations to what products with panels read.
#pragma once
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

// Rows [begin, end) to int8: by 32 inputs x ~ scale q, |q| <= 127, scale = max |x| / 127. x f32 or bf16 [rows, in].
void quantize_rows(const float* x, int64_t in, int64_t begin, int64_t end, int8_t* q, float* scale, int32_t* sums);
void quantize_rows(const uint16_t* x, int64_t in, int64_t begin, int64_t end, int8_t* q, float* scale, int32_t* sums);

PanelProduct product_for(Cpu kind, const Panels& panels);

}  // namespace ken::kernels
