// The same operations in plain torch operations: slow, obvious, on any device. They serve every device but the CPU, and
// the tests hold the fast kernels against them.
#include "ken/kernels/reference.h"

#include <torch/csrc/autograd/autograd.h>

#include "ken/kernels/dispatch.h"

namespace ken::kernels::reference {
namespace {

Tensor f32(const Tensor& x) { return x.to(at::kFloat); }
std::vector<int64_t> host(const Tensor& x) {
  const Tensor c = x.to(at::kCPU).contiguous();
  return {c.data_ptr<int64_t>(), c.data_ptr<int64_t>() + c.numel()};
}

}  // namespace

std::tuple<Tensor, Tensor, Tensor> add_rms_norm(const Tensor& x, const c10::optional<Tensor>& delta,
                                                const Tensor& weight, double eps, at::ScalarType dtype) {
  const Tensor sum = delta ? x + f32(*delta) : x;
  const Tensor rstd = at::rsqrt(sum.square().mean(-1, true) + eps);
  return {sum, (sum * rstd * weight).to(dtype), rstd.reshape({-1})};
}

std::tuple<Tensor, Tensor> rms_norm_backward(const Tensor& dy, const Tensor& x, const Tensor& weight,
                                             const Tensor& rstd, const c10::optional<Tensor>& carry) {
  const Tensor g = f32(dy), r = rstd.unsqueeze(-1), weighted = g * weight;
  Tensor dx = weighted * r - x * r.pow(3) * (weighted * x).mean(-1, true);
  if (carry) dx = dx + *carry;
  return {dx, (g * x * r).reshape({-1, x.size(-1)}).sum(0)};
}

Tensor rope_angles(const Tensor& positions, const Tensor& frequencies) {
  const Tensor angles = f32(positions).unsqueeze(1) * frequencies;  // [T, R/2]
  return at::stack({angles.cos(), angles.sin()}, 1);
}

Tensor rope(const Tensor& x, const Tensor& angles, bool interleaved, double direction) {
  const int64_t half = angles.size(2), width = x.size(2);
  const Tensor cos = angles.narrow(1, 0, 1), sin = angles.narrow(1, 1, 1) * direction,  // [T, 1, R/2]
      turned = f32(x.narrow(2, 0, 2 * half));
  Tensor a, b, y;
  if (interleaved) {
    const Tensor pairs = turned.reshape({x.size(0), x.size(1), half, 2});
    a = pairs.select(3, 0), b = pairs.select(3, 1);
    y = at::stack({a * cos - b * sin, b * cos + a * sin}, 3).flatten(2);
  } else {
    a = turned.narrow(2, 0, half), b = turned.narrow(2, half, half);
    y = at::cat({a * cos - b * sin, b * cos + a * sin}, 2);
  }
  return at::cat({y.to(x.scalar_type()), x.narrow(2, 2 * half, width - 2 * half)}, 2);
}

Tensor swiglu(const Tensor& gate, const Tensor& up) { return (at::silu(f32(gate)) * f32(up)).to(gate.scalar_type()); }

std::tuple<Tensor, Tensor> swiglu_backward(const Tensor& dy, const Tensor& gate, const Tensor& up) {
  const Tensor g = f32(gate), s = at::sigmoid(g), d = f32(dy);
  return {(d * f32(up) * s * (1 + g * (1 - s))).to(gate.scalar_type()), (d * g * s).to(up.scalar_type())};
}

AttentionRows attend(const Tensor& q, const Tensor& k, const Tensor& v, const Scores& how) {
  const int64_t group = q.size(1) / k.size(1), n_q = q.size(0), n_k = k.size(0);
  const Tensor keys = f32(k).repeat_interleave(group, 1), values = f32(v).repeat_interleave(group, 1);
  Tensor scores = at::matmul(f32(q).transpose(0, 1), keys.permute({1, 2, 0})) * how.scale;  // [H, n_q, n_k]
  if (how.cap > 0) scores = (scores / how.cap).tanh() * how.cap;
  const Tensor row = at::arange(n_k - n_q, n_k, q.options().dtype(at::kLong)).unsqueeze(1);
  const Tensor key = at::arange(n_k, q.options().dtype(at::kLong)).unsqueeze(0);
  Tensor hidden = key.gt(row);
  if (how.window > 0) hidden = hidden.logical_or(key.le(row - how.window));
  scores = scores.masked_fill(hidden, -INFINITY);
  const Tensor pattern = at::softmax(scores, -1);
  return {scores, pattern, mix(pattern, v, q.scalar_type())};
}

Tensor mix(const Tensor& pattern, const Tensor& v, at::ScalarType dtype) {
  const Tensor values = f32(v).repeat_interleave(pattern.size(0) / v.size(1), 1);
  return at::matmul(pattern, values.transpose(0, 1)).transpose(0, 1).to(dtype);
}

std::tuple<Tensor, Tensor> attention(const Tensor& q, const Tensor& k, const Tensor& v, const Tensor& offsets,
                                     double scale, int64_t window, double cap) {
  const auto at_ = host(offsets);
  std::vector<Tensor> z, lse;
  for (size_t s = 0; s + 1 < at_.size(); ++s) {
    const int64_t begin = at_[s], n = at_[s + 1] - begin;
    const auto rows = attend(q.narrow(0, begin, n), k.narrow(0, begin, n), v.narrow(0, begin, n), {scale, window, cap});
    z.push_back(rows.z);
    lse.push_back(at::logsumexp(rows.scores, -1).transpose(0, 1));
  }
  return {at::cat(z), at::cat(lse).contiguous()};
}

std::tuple<Tensor, Tensor, Tensor> attention_backward(const Tensor& dz, const Tensor& q, const Tensor& k,
                                                      const Tensor& v, const Tensor&, const Tensor&,
                                                      const Tensor& offsets, double scale, int64_t window, double cap) {
  at::AutoGradMode with_gradients(true);
  const Tensor a = q.detach().requires_grad_(), b = k.detach().requires_grad_(), c = v.detach().requires_grad_();
  const auto [z, lse] = attention(a, b, c, offsets, scale, window, cap);
  const auto g = torch::autograd::grad({z}, {a, b, c}, {dz});
  return {g[0], g[1], g[2]};
}

namespace {

// The blocks of a row of the table, [blocks, K, D, 16] of keys or [blocks, K, 16, D]; of int8 levels what they stand
// for, in f32.
Tensor pages_of(const Tensor& pool, const Tensor& table_row, bool keys) {
  const Tensor pages = pool.index_select(0, table_row.to(at::kLong));
  if (pool.scalar_type() != at::kChar) return pages;
  const int64_t width = pool.size(keys ? 2 : 3) - scale_bytes, n = pages.size(0), K = pages.size(1);
  const Tensor flat = pages.flatten(2), scales = flat.narrow(2, width * page, page * scale_bytes).contiguous();
  return flat.narrow(2, 0, width * page).reshape({n, K, keys ? width : page, keys ? page : width}).to(at::kFloat) *
         scales.view(at::kFloat).unsqueeze(keys ? 2 : 3);
}

}  // namespace

Tensor gather_keys(const Tensor& k_pool, const Tensor& table_row, int64_t length) {
  return pages_of(k_pool, table_row, true).permute({0, 3, 1, 2}).flatten(0, 1).narrow(0, 0, length);
}
Tensor gather_values(const Tensor& v_pool, const Tensor& table_row, int64_t length) {
  return pages_of(v_pool, table_row, false).permute({0, 2, 1, 3}).flatten(0, 1).narrow(0, 0, length);
}

void write_pages(const Tensor& k, const Tensor& v, const Tensor& k_pool, const Tensor& v_pool, const Tensor& table,
                 const Tensor& lengths, const Tensor& offsets) {
  TORCH_CHECK(k_pool.scalar_type() != at::kChar, "[attention] a cache of int8 is for the CPU");
  const auto at_ = host(offsets), length = host(lengths);
  std::vector<int64_t> blocks, slots;
  for (size_t s = 0; s < length.size(); ++s) {
    for (int64_t t = at_[s]; t < at_[s + 1]; ++t) {
      const int64_t position = length[s] - (at_[s + 1] - t);
      blocks.push_back(table[int64_t(s)][position / page].item<int>());
      slots.push_back(position % page);
    }
  }
  const auto index = [&](const std::vector<int64_t>& x) {
    return c10::optional<Tensor>(at::tensor(at::ArrayRef<int64_t>(x), at::kLong).to(k_pool.device()));
  };
  const c10::List<c10::optional<Tensor>> places({index(blocks), index(slots)});
  k_pool.permute({0, 3, 1, 2}).index_put_(places, k.detach().to(k_pool.scalar_type()));
  v_pool.permute({0, 2, 1, 3}).index_put_(places, v.detach().to(v_pool.scalar_type()));
}

Tensor attention_paged(const Tensor& q, const Tensor& k_pool, const Tensor& v_pool, const Tensor& table,
                       const Tensor& lengths, const Tensor& offsets, double scale, int64_t window, double cap) {
  const auto at_ = host(offsets), length = host(lengths);
  std::vector<Tensor> z;
  for (size_t s = 0; s < length.size(); ++s) {
    const int64_t blocks = (length[s] + page - 1) / page;
    const Tensor row = table.select(0, int64_t(s)).narrow(0, 0, blocks).to(q.device());
    z.push_back(attend(q.narrow(0, at_[s], at_[s + 1] - at_[s]), gather_keys(k_pool, row, length[s]),
                       gather_values(v_pool, row, length[s]), {scale, window, cap})
                    .z);
  }
  return at::cat(z);
}

std::tuple<Tensor, Tensor> cross_entropy_(const Tensor& logits, const Tensor& targets, const Tensor& weights) {
  const Tensor logprobs = at::log_softmax(f32(logits), -1), at_target = targets.unsqueeze(1);
  const Tensor loss = -logprobs.gather(1, at_target).squeeze(1);
  const Tensor hit = logits.argmax(-1).eq(targets).to(at::kFloat);
  Tensor gradient = logprobs.exp();
  gradient.scatter_add_(1, at_target, at::full_like(at_target, -1, gradient.options()));
  logits.copy_(gradient * weights.unsqueeze(1));
  return {loss, hit};
}

}  // namespace ken::kernels::reference

TORCH_LIBRARY_IMPL(ken, CUDA, m) {
  namespace r = ken::kernels::reference;
  m.impl("add_rms_norm", r::add_rms_norm);
  m.impl("rms_norm_backward", r::rms_norm_backward);
  m.impl("rope", r::rope);
  m.impl("rope_angles", r::rope_angles);
  m.impl("swiglu", r::swiglu);
  m.impl("swiglu_backward", r::swiglu_backward);
  m.impl("attention", r::attention);
  m.impl("attention_backward", r::attention_backward);
  m.impl("attention_paged", r::attention_paged);
  m.impl("write_pages", r::write_pages);
  m.impl("cross_entropy_", r::cross_entropy_);
}
