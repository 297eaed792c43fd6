// Plain torch versions of the kernels (same shapes and meaning as kernels.h) and the pieces that taps on attention
// need.
#pragma once
#include "ken/kernels/kernels.h"

namespace ken::kernels::reference {

using at::Tensor;

std::tuple<Tensor, Tensor, Tensor> add_rms_norm(const Tensor& x, const c10::optional<Tensor>& delta,
                                                const Tensor& weight, double eps, at::ScalarType dtype);
std::tuple<Tensor, Tensor> rms_norm_backward(const Tensor& dy, const Tensor& x, const Tensor& weight,
                                             const Tensor& rstd, const c10::optional<Tensor>& carry);
Tensor rope(const Tensor& x, const Tensor& angles, bool interleaved, double direction);
Tensor rope_angles(const Tensor& positions, const Tensor& frequencies);
Tensor swiglu(const Tensor& gate, const Tensor& up);
std::tuple<Tensor, Tensor> swiglu_backward(const Tensor& dy, const Tensor& gate, const Tensor& up);
std::tuple<Tensor, Tensor> attention(const Tensor& q, const Tensor& k, const Tensor& v, const Tensor& offsets,
                                     double scale, int64_t window, double cap);
std::tuple<Tensor, Tensor, Tensor> attention_backward(const Tensor& dz, const Tensor& q, const Tensor& k,
                                                      const Tensor& v, const Tensor& z, const Tensor& lse,
                                                      const Tensor& offsets, double scale, int64_t window, double cap);
Tensor attention_paged(const Tensor& q, const Tensor& k_pool, const Tensor& v_pool, const Tensor& table,
                       const Tensor& lengths, const Tensor& offsets, double scale, int64_t window, double cap);
void write_pages(const Tensor& k, const Tensor& v, const Tensor& k_pool, const Tensor& v_pool, const Tensor& table,
                 const Tensor& lengths, const Tensor& offsets);
std::tuple<Tensor, Tensor> cross_entropy_(const Tensor& logits, const Tensor& targets, const Tensor& weights);

// One sequence: the last q.size(0) of k.size(0) positions attend causally. scores and pattern [H, n_q, n_k] f32.
struct AttentionRows {
  Tensor scores, pattern, z;
};
AttentionRows attend(const Tensor& q, const Tensor& k, const Tensor& v, const Scores& how);
Tensor mix(const Tensor& pattern, const Tensor& v,
           at::ScalarType dtype);  // pattern [H, n_q, n_k] times v [n_k, K, D] -> [n_q, H, D]
// The first `length` positions of a sequence whose blocks are table_row [blocks], as [length, K, D].
Tensor gather_keys(const Tensor& k_pool, const Tensor& table_row, int64_t length);
Tensor gather_values(const Tensor& v_pool, const Tensor& table_row, int64_t length);

}  // namespace ken::kernels::reference
