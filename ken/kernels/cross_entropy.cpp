// Softmax cross-entropy of a chunk of logits, with its gradient written over the logits: no second tensor of [n, V].
#include "ken/kernels/dispatch.h"
#include "ken/kernels/kernels.h"
#include "ken/kernels/simd.h"

namespace ken::kernels {
namespace {

template <typename T>
KEN_INLINE void row_(T* x, int64_t n, int64_t target, float weight, float* loss, float* hit, float* scratch) {
  float top = -INFINITY, sum = 0;
#pragma omp simd reduction(max : top)
  for (int64_t i = 0; i < n; ++i) {
    scratch[i] = load(x[i]);
    top = scratch[i] > top ? scratch[i] : top;
  }
  const float goal = scratch[target];
#pragma omp simd reduction(+ : sum)
  for (int64_t i = 0; i < n; ++i) {
    scratch[i] = exp_(scratch[i] - top);
    sum += scratch[i];
  }
  *loss = std::log(sum) + top - goal;
  *hit = goal == top ? 1.0f : 0.0f;
  const float scale = weight / sum;
#pragma omp simd
  for (int64_t i = 0; i < n; ++i) store(x[i], scratch[i] * scale);
  store(x[target], scratch[target] * scale - weight);
}
KEN_CLONES void row(float* x, int64_t n, int64_t t, float w, float* l, float* h, float* s) {
  row_(x, n, t, w, l, h, s);
}
KEN_CLONES void row(bf16* x, int64_t n, int64_t t, float w, float* l, float* h, float* s) { row_(x, n, t, w, l, h, s); }

std::tuple<Tensor, Tensor> cross_entropy_cpu(const Tensor& logits, const Tensor& targets, const Tensor& weights) {
  const int64_t n = logits.size(0), vocab = logits.size(1);
  Tensor loss = at::empty({n}, weights.options()), hit = at::empty({n}, weights.options());
  const int64_t* target = targets.data_ptr<int64_t>();
  at::parallel_for(0, n, 8, [&](int64_t begin, int64_t end) {
    std::vector<float> scratch(static_cast<size_t>(vocab));
    with_data(logits, [&](auto* x) {
      for (int64_t r = begin; r < end; ++r) {
        row(x + r * vocab, vocab, target[r], weights.data_ptr<float>()[r], loss.data_ptr<float>() + r,
            hit.data_ptr<float>() + r, scratch.data());
      }
    });
  });
  return {loss, hit};
}

}  // namespace

TORCH_LIBRARY_FRAGMENT(ken, m) {
  m.def("cross_entropy_(Tensor(a!) logits, Tensor targets, Tensor weights) -> (Tensor, Tensor)");
}
TORCH_LIBRARY_IMPL(ken, CPU, m) { m.impl("cross_entropy_", cross_entropy_cpu); }

std::tuple<Tensor, Tensor> cross_entropy_(const Tensor& logits, const Tensor& targets, const Tensor& weights) {
  static const auto op =
      operation<std::tuple<Tensor, Tensor>(const Tensor&, const Tensor&, const Tensor&)>("ken::cross_entropy_");
  return op.call(logits, targets, weights);
}

}  // namespace ken::kernels
