// RMSNorm (Zhang & Sennrich 2019), alone and fused with the residual addition before it; forward and backward.
#include "ken/kernels/dispatch.h"
#include "ken/kernels/kernels.h"
#include "ken/kernels/simd.h"

namespace ken::kernels {
namespace {

// One row: sum = x + delta (delta may be null), y = sum * rstd * w.
template <typename D, typename Y>
KEN_INLINE void norm_row(const float* x, const D* delta, const float* w, float* sum, Y* y, float* rstd, int64_t d,
                         float eps) {
  float squares = 0;
  if (delta) {
#pragma omp simd
    for (int64_t i = 0; i < d; ++i) sum[i] = x[i] + load(delta[i]);
    x = sum;
  }
#pragma omp simd reduction(+ : squares)
  for (int64_t i = 0; i < d; ++i) squares += x[i] * x[i];
  const float r = 1.0f / std::sqrt(squares / float(d) + eps);
#pragma omp simd
  for (int64_t i = 0; i < d; ++i) store(y[i], x[i] * r * w[i]);
  *rstd = r;
}

#define KEN_NORM_ROWS(name, D, Y)                                                                                     \
  KEN_CLONES void name(const float* x, const D* delta, const float* w, float* sum, Y* y, float* rstd, int64_t begin,  \
                       int64_t end, int64_t d, float eps) {                                                           \
    for (int64_t t = begin; t < end; ++t)                                                                             \
      norm_row<D, Y>(x + t * d, delta ? delta + t * d : nullptr, w, sum ? sum + t * d : nullptr, y + t * d, rstd + t, \
                     d, eps);                                                                                         \
  }
KEN_NORM_ROWS(norm_rows, float, float)
KEN_NORM_ROWS(norm_rows, float, bf16)
KEN_NORM_ROWS(norm_rows, bf16, float)
KEN_NORM_ROWS(norm_rows, bf16, bf16)
#undef KEN_NORM_ROWS

// dx = carry + r * (w*dy - x * r^2 * mean(w*dy*x)); dweight += dy * x * r.
template <typename T>
KEN_INLINE void norm_backward_rows_(const T* dy, const float* x, const float* w, const float* rstd, const float* carry,
                                    float* dx, float* dw, int64_t begin, int64_t end, int64_t d) {
  for (int64_t t = begin; t < end; ++t) {
    const T* g = dy + t * d;
    const float* row = x + t * d;
    const float r = rstd[t];
    float dot = 0;
#pragma omp simd reduction(+ : dot)
    for (int64_t i = 0; i < d; ++i) dot += load(g[i]) * w[i] * row[i];
    const float c = dot * r * r * r / float(d);
    const float* from = carry ? carry + t * d : nullptr;
    float* to = dx + t * d;
#pragma omp simd
    for (int64_t i = 0; i < d; ++i) {
      const float gi = load(g[i]);
      to[i] = (from ? from[i] : 0.0f) + gi * w[i] * r - row[i] * c;
      dw[i] += gi * row[i] * r;
    }
  }
}
KEN_CLONES void norm_backward_rows(const float* dy, const float* x, const float* w, const float* rstd,
                                   const float* carry, float* dx, float* dw, int64_t begin, int64_t end, int64_t d) {
  norm_backward_rows_(dy, x, w, rstd, carry, dx, dw, begin, end, d);
}
KEN_CLONES void norm_backward_rows(const bf16* dy, const float* x, const float* w, const float* rstd,
                                   const float* carry, float* dx, float* dw, int64_t begin, int64_t end, int64_t d) {
  norm_backward_rows_(dy, x, w, rstd, carry, dx, dw, begin, end, d);
}

std::tuple<Tensor, Tensor, Tensor> add_rms_norm_cpu(const Tensor& x, const c10::optional<Tensor>& delta,
                                                    const Tensor& weight, double eps, at::ScalarType dtype) {
  const int64_t d = x.size(-1), n = d > 0 ? x.numel() / d : 0;
  Tensor sum = delta ? fresh_like(x) : x;
  Tensor y = fresh(x.sizes(), dtype), rstd = fresh({n}, at::kFloat);
  const float* w = weight.data_ptr<float>();
  float* sums = delta ? sum.data_ptr<float>() : nullptr;
  share_range(n, d, [&](int64_t begin, int64_t end) {
    with_data(y, [&](auto* out) {
      if (!delta) {
        norm_rows(x.data_ptr<float>(), static_cast<const float*>(nullptr), w, nullptr, out, rstd.data_ptr<float>(),
                  begin, end, d, float(eps));
      } else {
        with_data(*delta, [&](const auto* add) {
          norm_rows(x.data_ptr<float>(), add, w, sums, out, rstd.data_ptr<float>(), begin, end, d, float(eps));
        });
      }
    });
  });
  return {sum, y, rstd};
}

// The weight's gradient is summed over fixed chunks of rows, then over the chunks in order: the thread count cannot
// show.
std::tuple<Tensor, Tensor> rms_norm_backward_cpu(const Tensor& dy, const Tensor& x, const Tensor& weight,
                                                 const Tensor& rstd, const c10::optional<Tensor>& carry) {
  const int64_t d = x.size(-1), n = d > 0 ? x.numel() / d : 0, chunk = 256, chunks = (n + chunk - 1) / chunk;
  const Tensor dyc = dy.contiguous(), carried = carry ? carry->contiguous() : Tensor();
  Tensor dx = fresh_like(x), parts = at::zeros({chunks, d}, x.options());
  at::parallel_for(0, chunks, 1, [&](int64_t begin, int64_t end) {
    for (int64_t c = begin; c < end; ++c) {
      with_data(dyc, [&](const auto* g) {
        norm_backward_rows(g, x.data_ptr<float>(), weight.data_ptr<float>(), rstd.data_ptr<float>(),
                           carry ? carried.data_ptr<float>() : nullptr, dx.data_ptr<float>(),
                           parts.data_ptr<float>() + c * d, c * chunk, std::min(n, (c + 1) * chunk), d);
      });
    }
  });
  return {dx, parts.sum(0)};
}

}  // namespace

TORCH_LIBRARY_FRAGMENT(ken, m) {
  m.def(
      "add_rms_norm(Tensor x, Tensor? delta, Tensor weight, float eps, ScalarType dtype) -> (Tensor, Tensor, Tensor)");
  m.def("rms_norm_backward(Tensor dy, Tensor x, Tensor weight, Tensor rstd, Tensor? carry) -> (Tensor, Tensor)");
}
TORCH_LIBRARY_IMPL(ken, CPU, m) {
  m.impl("add_rms_norm", add_rms_norm_cpu);
  m.impl("rms_norm_backward", rms_norm_backward_cpu);
}

using AddNorm = std::tuple<Tensor, Tensor, Tensor>(const Tensor&, const c10::optional<Tensor>&, const Tensor&, double,
                                                   at::ScalarType);

std::tuple<Tensor, Tensor> rms_norm(const Tensor& x, const Tensor& weight, double eps, at::ScalarType dtype) {
  static const auto op = operation<AddNorm>("ken::add_rms_norm");
  auto [sum, y, rstd] = op.call(x.contiguous(), c10::nullopt, weight, eps, dtype);
  return {y, rstd};
}

std::tuple<Tensor, Tensor, Tensor> add_rms_norm(const Tensor& x, const Tensor& delta, const Tensor& weight, double eps,
                                                at::ScalarType dtype) {
  static const auto op = operation<AddNorm>("ken::add_rms_norm");
  return op.call(x.contiguous(), delta.contiguous(), weight, eps, dtype);
}

std::tuple<Tensor, Tensor> rms_norm_backward(const Tensor& dy, const Tensor& x, const Tensor& weight,
                                             const Tensor& rstd, const c10::optional<Tensor>& carry) {
  static const auto op =
      operation<std::tuple<Tensor, Tensor>(const Tensor&, const Tensor&, const Tensor&, const Tensor&,
                                           const c10::optional<Tensor>&)>("ken::rms_norm_backward");
  return op.call(dy, x, weight, rstd, carry);
}

}  // namespace ken::kernels
