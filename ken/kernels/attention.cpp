// Causal attention over packed sequences (forward, backward) and over a paged cache. One task is one (sequence, head):
// no mask, no padding, and a row's result does not depend on what else is in the batch. Scores of a row are computed
// once, softmaxed, and summed in the order of the keys, so the cached and the packed path agree bit for bit.
#include "ken/kernels/dispatch.h"
#include "ken/kernels/kernels.h"
#include "ken/kernels/simd.h"

namespace ken::kernels {
namespace {

// scores[j] = scale * q . k[j], n keys that lie `stride` apart. Returns the largest.
template <typename T>
KEN_INLINE float score_keys(const float* q, const T* k, int64_t stride, int64_t n, int64_t width, float scale,
                            float* scores, float top) {
  for (int64_t j = 0; j < n; ++j) {
    const T* key = k + j * stride;
    float dot = 0;
#pragma omp simd reduction(+ : dot)
    for (int64_t i = 0; i < width; ++i) dot += q[i] * load(key[i]);
    scores[j] = dot * scale;
    top = scores[j] > top ? scores[j] : top;
  }
  return top;
}

// In place: scores -> exp(scores - top); returns the sum, in key order.
KEN_INLINE float exponentiate(float* scores, int64_t n, float top) {
#pragma omp simd
  for (int64_t j = 0; j < n; ++j) scores[j] = exp_(scores[j] - top);
  float sum = 0;
  for (int64_t j = 0; j < n; ++j) sum += scores[j];
  return sum;
}

template <typename T>
KEN_INLINE void add_values(const float* p, const T* v, int64_t stride, int64_t n, int64_t width, float* z) {
  for (int64_t j = 0; j < n; ++j) {
    const T* value = v + j * stride;
    const float weight = p[j];
#pragma omp simd
    for (int64_t i = 0; i < width; ++i) z[i] += weight * load(value[i]);
  }
}

template <typename T>
struct Packed {
  const T *q, *k, *v;
  T* z;
  float* lse;
  int64_t heads, kv_heads, width;
  float scale;
};

template <typename T>
KEN_INLINE void packed_head(const Packed<T>& a, int64_t begin, int64_t end, int64_t h, float* scratch) {
  const int64_t D = a.width, kh = h / (a.heads / a.kv_heads), stride = a.kv_heads * D;
  float *q = scratch, *z = scratch + D, *scores = scratch + 2 * D;
  const T *k = a.k + begin * stride + kh * D, *v = a.v + begin * stride + kh * D;
  for (int64_t t = begin; t < end; ++t) {
    const int64_t at = (t * a.heads + h) * D, n = t - begin + 1;
    for (int64_t i = 0; i < D; ++i) q[i] = load(a.q[at + i]), z[i] = 0;
    const float top = score_keys(q, k, stride, n, D, a.scale, scores, -INFINITY);
    const float sum = exponentiate(scores, n, top);
    add_values(scores, v, stride, n, D, z);
    for (int64_t i = 0; i < D; ++i) store(a.z[at + i], z[i] / sum);
    if (a.lse) a.lse[t * a.heads + h] = top + std::log(sum);
  }
}
KEN_CLONES void run_packed_head(const Packed<float>& a, int64_t b, int64_t e, int64_t h, float* s) {
  packed_head(a, b, e, h, s);
}
KEN_CLONES void run_packed_head(const Packed<bf16>& a, int64_t b, int64_t e, int64_t h, float* s) {
  packed_head(a, b, e, h, s);
}

template <typename T>
struct Gradients {
  const T *dz, *q, *k, *v, *z;
  const float* lse;
  T *dq, *dk, *dv;
  int64_t heads, kv_heads, width;
  float scale;
};

// One (sequence, kv head): the query heads of its group add to dk and dv one after the other.
template <typename T>
KEN_INLINE void packed_backward(const Gradients<T>& a, int64_t begin, int64_t end, int64_t kh, float* scratch) {
  const int64_t n = end - begin, D = a.width, group = a.heads / a.kv_heads, stride = a.kv_heads * D;
  float *k = scratch, *v = k + n * D, *dk = v + n * D, *dv = dk + n * D, *q = dv + n * D, *dz = q + D, *dq = dz + D,
        *p = dq + D;
  for (int64_t j = 0; j < n; ++j) {
    for (int64_t i = 0; i < D; ++i) {
      const int64_t from = (begin + j) * stride + kh * D + i;
      k[j * D + i] = load(a.k[from]), v[j * D + i] = load(a.v[from]);
    }
  }
  std::memset(dk, 0, size_t(2 * n * D) * sizeof(float));
  for (int64_t h = kh * group; h < (kh + 1) * group; ++h) {
    for (int64_t r = 0; r < n; ++r) {
      const int64_t at = ((begin + r) * a.heads + h) * D, keys = r + 1;
      float delta = 0;
#pragma omp simd reduction(+ : delta)
      for (int64_t i = 0; i < D; ++i) {
        q[i] = load(a.q[at + i]), dz[i] = load(a.dz[at + i]), dq[i] = 0;
        delta += dz[i] * load(a.z[at + i]);
      }
      score_keys(q, k, D, keys, D, a.scale, p, -INFINITY);
      const float lse = a.lse[(begin + r) * a.heads + h];
#pragma omp simd
      for (int64_t j = 0; j < keys; ++j) p[j] = exp_(p[j] - lse);
      for (int64_t j = 0; j < keys; ++j) {
        float dp = 0;
#pragma omp simd reduction(+ : dp)
        for (int64_t i = 0; i < D; ++i) dp += dz[i] * v[j * D + i];
        const float ds = p[j] * (dp - delta) * a.scale;
#pragma omp simd
        for (int64_t i = 0; i < D; ++i) {
          dv[j * D + i] += p[j] * dz[i];
          dq[i] += ds * k[j * D + i];
          dk[j * D + i] += ds * q[i];
        }
      }
      for (int64_t i = 0; i < D; ++i) store(a.dq[at + i], dq[i]);
    }
  }
  for (int64_t j = 0; j < n; ++j) {
    for (int64_t i = 0; i < D; ++i) {
      const int64_t to = (begin + j) * stride + kh * D + i;
      store(a.dk[to], dk[j * D + i]), store(a.dv[to], dv[j * D + i]);
    }
  }
}
KEN_CLONES void run_packed_backward(const Gradients<float>& a, int64_t b, int64_t e, int64_t kh, float* s) {
  packed_backward(a, b, e, kh, s);
}
KEN_CLONES void run_packed_backward(const Gradients<bf16>& a, int64_t b, int64_t e, int64_t kh, float* s) {
  packed_backward(a, b, e, kh, s);
}

template <typename T>
struct Paged {
  const T* q;
  const float *k, *v;    // pools [blocks, K, block, D]
  const int32_t* table;  // this sequence's blocks
  T* z;
  int64_t heads, kv_heads, width, block;
  float scale;
};

// Rows [begin, end) of one sequence that has `length` keys, its own rows last.
template <typename T>
KEN_INLINE void paged_head(const Paged<T>& a, int64_t begin, int64_t end, int64_t length, int64_t h, float* scratch) {
  const int64_t D = a.width, kh = h / (a.heads / a.kv_heads), page = a.kv_heads * a.block * D;
  float *q = scratch, *z = scratch + D, *scores = scratch + 2 * D;
  for (int64_t t = begin; t < end; ++t) {
    const int64_t at = (t * a.heads + h) * D, n = length - (end - 1 - t);
    for (int64_t i = 0; i < D; ++i) q[i] = load(a.q[at + i]), z[i] = 0;
    float top = -INFINITY;
    for (int64_t j = 0; j < n; j += a.block) {
      const float* k = a.k + a.table[j / a.block] * page + kh * a.block * D;
      top = score_keys(q, k, D, std::min(a.block, n - j), D, a.scale, scores + j, top);
    }
    const float sum = exponentiate(scores, n, top);
    for (int64_t j = 0; j < n; j += a.block) {
      add_values(scores + j, a.v + a.table[j / a.block] * page + kh * a.block * D, D, std::min(a.block, n - j), D, z);
    }
    for (int64_t i = 0; i < D; ++i) store(a.z[at + i], z[i] / sum);
  }
}
KEN_CLONES void run_paged_head(const Paged<float>& a, int64_t b, int64_t e, int64_t n, int64_t h, float* s) {
  paged_head(a, b, e, n, h, s);
}
KEN_CLONES void run_paged_head(const Paged<bf16>& a, int64_t b, int64_t e, int64_t n, int64_t h, float* s) {
  paged_head(a, b, e, n, h, s);
}

int64_t longest(const int64_t* offsets, int64_t sequences) {
  int64_t most = 0;
  for (int64_t s = 0; s < sequences; ++s) most = std::max(most, offsets[s + 1] - offsets[s]);
  return most;
}

// fn(task, scratch of `floats`) for every task; each thread allocates its scratch once.
template <typename Fn>
void for_tasks(int64_t tasks, int64_t floats, Fn fn) {
  at::parallel_for(0, tasks, 1, [&](int64_t begin, int64_t end) {
    std::vector<float> scratch(static_cast<size_t>(floats));
    for (int64_t task = begin; task < end; ++task) fn(task, scratch.data());
  });
}

std::tuple<Tensor, Tensor> attention_cpu(const Tensor& q, const Tensor& k, const Tensor& v, const Tensor& offsets,
                                         double scale) {
  Tensor z = at::empty_like(q), lse = at::empty({q.size(0), q.size(1)}, q.options().dtype(at::kFloat));
  const int64_t* at = offsets.data_ptr<int64_t>();
  const int64_t S = offsets.size(0) - 1, H = q.size(1), D = q.size(2);
  with_data(q, [&](auto* data) {
    using T = std::remove_pointer_t<decltype(data)>;
    const auto of = [](const Tensor& x) { return static_cast<T*>(x.data_ptr()); };
    const Packed<T> a{of(q), of(k), of(v), of(z), lse.data_ptr<float>(), H, k.size(1), D, float(scale)};
    for_tasks(S * H, 2 * D + longest(at, S), [&](int64_t task, float* scratch) {
      run_packed_head(a, at[task / H], at[task / H + 1], task % H, scratch);
    });
  });
  return {z, lse};
}

std::tuple<Tensor, Tensor, Tensor> attention_backward_cpu(const Tensor& dz, const Tensor& q, const Tensor& k,
                                                          const Tensor& v, const Tensor& z, const Tensor& lse,
                                                          const Tensor& offsets, double scale) {
  Tensor dq = at::empty_like(q), dk = at::empty_like(k), dv = at::empty_like(v);
  const int64_t* at = offsets.data_ptr<int64_t>();
  const int64_t S = offsets.size(0) - 1, K = k.size(1), D = q.size(2), most = longest(at, S);
  with_data(q, [&](auto* data) {
    using T = std::remove_pointer_t<decltype(data)>;
    const auto of = [](const Tensor& x) { return static_cast<T*>(x.data_ptr()); };
    const Gradients<T> a{of(dz), of(q),  of(k),     of(v), of(z), lse.data_ptr<float>(), of(dq),
                         of(dk), of(dv), q.size(1), K,     D,     float(scale)};
    for_tasks(S * K, 4 * most * D + 3 * D + most, [&](int64_t task, float* scratch) {
      run_packed_backward(a, at[task / K], at[task / K + 1], task % K, scratch);
    });
  });
  return {dq, dk, dv};
}

Tensor attention_paged_cpu(const Tensor& q, const Tensor& k_pool, const Tensor& v_pool, const Tensor& table,
                           const Tensor& lengths, const Tensor& offsets, double scale) {
  Tensor z = at::empty_like(q);
  const int64_t* at = offsets.data_ptr<int64_t>();
  const int64_t* length = lengths.data_ptr<int64_t>();
  const int64_t S = lengths.size(0), H = q.size(1), D = q.size(2);
  const int64_t most = S > 0 ? *std::max_element(length, length + S) : 0;
  with_data(q, [&](auto* data) {
    using T = std::remove_pointer_t<decltype(data)>;
    for_tasks(S * H, 2 * D + most, [&](int64_t task, float* scratch) {
      const int64_t s = task / H;
      const Paged<T> a{data,
                       k_pool.data_ptr<float>(),
                       v_pool.data_ptr<float>(),
                       table.data_ptr<int32_t>() + s * table.size(1),
                       static_cast<T*>(z.data_ptr()),
                       H,
                       k_pool.size(1),
                       D,
                       k_pool.size(2),
                       float(scale)};
      run_paged_head(a, at[s], at[s + 1], length[s], task % H, scratch);
    });
  });
  return z;
}

}  // namespace

TORCH_LIBRARY_FRAGMENT(ken, m) {
  m.def("attention(Tensor q, Tensor k, Tensor v, Tensor offsets, float scale) -> (Tensor, Tensor)");
  m.def(
      "attention_backward(Tensor dz, Tensor q, Tensor k, Tensor v, Tensor z, Tensor lse, Tensor offsets, float scale) "
      "-> (Tensor, Tensor, Tensor)");
  m.def(
      "attention_paged(Tensor q, Tensor k_pool, Tensor v_pool, Tensor table, Tensor lengths, Tensor offsets, float "
      "scale) -> Tensor");
}
TORCH_LIBRARY_IMPL(ken, CPU, m) {
  m.impl("attention", attention_cpu);
  m.impl("attention_backward", attention_backward_cpu);
  m.impl("attention_paged", attention_paged_cpu);
}

std::tuple<Tensor, Tensor> attention(const Tensor& q, const Tensor& k, const Tensor& v, const Tensor& offsets,
                                     double scale) {
  static const auto op =
      operation<std::tuple<Tensor, Tensor>(const Tensor&, const Tensor&, const Tensor&, const Tensor&, double)>(
          "ken::attention");
  return op.call(q.contiguous(), k.contiguous(), v.contiguous(), offsets, scale);
}
std::tuple<Tensor, Tensor, Tensor> attention_backward(const Tensor& dz, const Tensor& q, const Tensor& k,
                                                      const Tensor& v, const Tensor& z, const Tensor& lse,
                                                      const Tensor& offsets, double scale) {
  static const auto op = operation<std::tuple<Tensor, Tensor, Tensor>(
      const Tensor&, const Tensor&, const Tensor&, const Tensor&, const Tensor&, const Tensor&, const Tensor&, double)>(
      "ken::attention_backward");
  return op.call(dz.contiguous(), q, k, v, z, lse, offsets, scale);
}
Tensor attention_paged(const Tensor& q, const Tensor& k_pool, const Tensor& v_pool, const Tensor& table,
                       const Tensor& lengths, const Tensor& offsets, double scale) {
  static const auto op = operation<Tensor(const Tensor&, const Tensor&, const Tensor&, const Tensor&, const Tensor&,
                                          const Tensor&, double)>("ken::attention_paged");
  return op.call(q.contiguous(), k_pool, v_pool, table, lengths, offsets, scale);
}

}  // namespace ken::kernels
