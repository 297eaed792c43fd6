// A weight matrix as stored, and y = x W^T + b on it in f32 or fast arithmetic, with gradients.
#pragma once
#include <string>

#include "ken/nn/torch.h"
#include "ken/quant/format.h"

namespace ken::nn {

using at::Tensor;

// f32: weights widened tile by tile, f32 arithmetic; the default of everything that is compared with a reference.
// fast: bf16 products; residual, norms, softmax and logits stay f32.
enum class Compute { f32, fast };
std::string compute_name(Compute compute);
Compute compute_from(const std::string& name);  // "f32" or "fast", else UsageError
inline at::ScalarType activation_type(Compute compute) { return compute == Compute::f32 ? at::kFloat : at::kBFloat16; }

struct PanelSlot;  // a matrix's panels, made when a product first needs them

struct Matrix {
  std::string name;  // ken's name, such as blocks.0.attn.W_Q
  Tensor data;       // [out, in] f32, f16 or bf16; or u8 [out, bytes] of blocks; usually a view of the file
  const quant::Format* format = nullptr;  // of the blocks; null where torch knows the type
  int64_t out = 0, in = 0;
  Tensor bias;          // [out] f32 or undefined
  Tensor shadow;        // bf16 copy of a trained f32 matrix, refreshed by the optimiser; undefined otherwise
  Tensor low_a, low_b;  // low-rank overlay: + (x low_a^T) low_b^T; [r, in] and [out, r] f32, undefined when absent
  mutable std::shared_ptr<const PanelSlot> panels;
  bool defined() const { return data.defined(); }
};

// x [T, in] -> [T, out], in the activation type of `compute`. In `fast` on the CPU a row's result is bit-equal whatever
// the other rows and the number of threads; the first product packs the matrix, and the pages of a mapped file that it
// was read from are given back.
Tensor linear(const Tensor& x, const Matrix& w, Compute compute);
// Whether that product runs on panels: fast arithmetic on the CPU with a matrix that is not trained.
bool in_panels(const Matrix& w, Compute compute);
// linear of several matrices on the same rows, as one step where that can be.
std::vector<Tensor> linear_all(const Tensor& x, std::initializer_list<const Matrix*> matrices, Compute compute);
// swiglu of the two products, as one step where that can be.
Tensor swiglu_of(const Tensor& x, const Matrix& gate, const Matrix& up, Compute compute);
// The same as linear with the result in f32: logits.
Tensor linear_f32(const Tensor& x, const Matrix& w, Compute compute);
// Rows of the matrix as f32 [n, in]: token embeddings.
Tensor rows_of(const Matrix& w, const Tensor& ids);
// The whole matrix as f32 (a copy unless it is f32 already).
Tensor dense(const Matrix& w);

}  // namespace ken::nn
