// The kernels by name. Each is registered with the torch dispatcher: the fast version for CPU, the plain
// torch-operation version (reference.cpp) for every other device. f32 or bf16 in and out; all arithmetic is f32. T
// tokens, H query heads, K key/value heads, D head width, S sequences.
#pragma once
#include "ken/kernels/page.h"
#include "ken/nn/torch.h"
#include "ken/quant/format.h"

namespace ken::kernels {

using at::Tensor;

// y = x / rms(x) * weight in `dtype`; rstd [T] f32 is what the backward pass needs.
std::tuple<Tensor, Tensor> rms_norm(const Tensor& x, const Tensor& weight, double eps, at::ScalarType dtype);
// (sum = x + delta in f32, y = norm(sum), rstd): the same operations in the same order as adding and then rms_norm.
std::tuple<Tensor, Tensor, Tensor> add_rms_norm(const Tensor& x, const Tensor& delta, const Tensor& weight, double eps,
                                                at::ScalarType dtype);
// Gradients of rms_norm: (dx [T, d] f32 = carry + ..., dweight [d] f32); carry is the gradient that reaches x directly,
// or an undefined tensor.
std::tuple<Tensor, Tensor> rms_norm_backward(const Tensor& dy, const Tensor& x, const Tensor& weight,
                                             const Tensor& rstd, const c10::optional<Tensor>& carry);

// Rotary embedding: pairs (i, i + R/2), or (2i, 2i + 1) when interleaved, turned by position * frequency[i] (times
// `direction`, -1 for the backward pass). x [T, H, D] with R <= D: the other D - R values pass.
Tensor rope(const Tensor& x, const Tensor& angles, bool interleaved, double direction);
// Its cosines and sines, [T, 2, R/2] f32: positions [T] i64, frequencies [R/2] f32. One serves every layer of a pass.
Tensor rope_angles(const Tensor& positions, const Tensor& frequencies);

// silu(gate) * up, and its gradients (dgate, dup).
Tensor swiglu(const Tensor& gate, const Tensor& up);
std::tuple<Tensor, Tensor> swiglu_backward(const Tensor& dy, const Tensor& gate, const Tensor& up);

// How scores come from q . k: times scale; of the last `window` keys only, a query's own included (0: all); and
// cap * tanh(score / cap) where there is a cap (0: none).
struct Scores {
  double scale = 1;
  int64_t window = 0;
  double cap = 0;
};

// Causal attention inside each packed sequence: q [T, H, D], k and v [T, K, D], offsets [S + 1] i64.
// Result (z [T, H, D], lse [T, H] f32).
std::tuple<Tensor, Tensor> attention(const Tensor& q, const Tensor& k, const Tensor& v, const Tensor& offsets,
                                     const Scores& how);
std::tuple<Tensor, Tensor, Tensor> attention_backward(const Tensor& dz, const Tensor& q, const Tensor& k,
                                                      const Tensor& v, const Tensor& z, const Tensor& lse,
                                                      const Tensor& offsets, const Scores& how);

// A cache in blocks of 16 positions: k_pool [blocks, K, D, 16], so that a vector holds as many keys, and v_pool
// [blocks, K, 16, D]; table [S, most blocks] i32; lengths [S] i64 = positions of sequence s, of which its own rows
// (offsets) are the last. Attention over it reads pools in q's type and gives what `attention` gives on the same
// numbers, bit for bit. bf16 queries also read pools of int8, [blocks, K, D + scale_bytes, 16] and [blocks, K, 16, D +
// scale_bytes]: behind a block's levels lie 16 f32 scales, one a position.
Tensor attention_paged(const Tensor& q, const Tensor& k_pool, const Tensor& v_pool, const Tensor& table,
                       const Tensor& lengths, const Tensor& offsets, const Scores& how);
// k and v [T, K, D] into the last positions of their sequences; a pool may hold another type.
void write_pages(const Tensor& k, const Tensor& v, const Tensor& k_pool, const Tensor& v_pool, const Tensor& table,
                 const Tensor& lengths, const Tensor& offsets);

// Rows [begin, end) of a stored matrix, widened to f32 or bf16: `stored` is f16 or bf16 [out, in] and `format` null, or
// u8 [out, bytes] of the format's blocks.
Tensor widen(const Tensor& stored, const quant::Format* format, int64_t columns, int64_t begin, int64_t end,
             at::ScalarType dtype);

// A stored matrix in panels of sixteen outputs (panels.h): as many bytes as stored, or bf16 where it holds plain
// numbers.
struct PanelWeights {
  Tensor levels, scales;
  const quant::Format* format = nullptr;
  int64_t out = 0;
};
// [rows, columns] u8 zeros, in huge pages where there are many: weights are read front to back.
Tensor zero_bytes(int64_t rows, int64_t columns);
// Whether there is a panel form: contiguous on the CPU, rows of whole blocks (plain numbers: of an even length).
bool has_panels(const Tensor& stored, const quant::Format* format, int64_t in);
PanelWeights make_panels(const Tensor& stored, const quant::Format* format, int64_t in);
// y = x W^T of each matrix in `dtype`, x [T, in] f32 or bf16. Blocks meet x in int8 (a scale by 32 values), plain
// numbers in bf16; sums are f32. A row's result is bit-equal whatever the other rows and the number of threads.
std::vector<Tensor> panel_linear(const Tensor& x, c10::ArrayRef<const PanelWeights*> matrices, at::ScalarType dtype);
// swiglu(x gate^T, x up^T) of two such products of as many outputs each.
Tensor panel_swiglu(const Tensor& x, const PanelWeights& gate, const PanelWeights& up, at::ScalarType dtype);

// y = x W^T in f32 arithmetic, x [T, in] f32, the stored matrix widened as it is read; rows as above.
Tensor linear_f32(const Tensor& x, const Tensor& stored, const quant::Format* format);

// Softmax cross-entropy of a chunk: logits [n, V] are overwritten by weight * (softmax - onehot), in their dtype.
// Result (loss [n] f32 unweighted, logprob's argmax hit [n] f32).
std::tuple<Tensor, Tensor> cross_entropy_(const Tensor& logits, const Tensor& targets, const Tensor& weights);

}  // namespace ken::kernels
