// The gradients of causal attention over packed sequences. One task is one (sequence, kv head), so a row's result does
// not depend on what else is in the batch.
#include "ken/kernels/attention_tile.h"
#include "ken/kernels/dispatch.h"
#include "ken/kernels/kernels.h"

namespace ken::kernels {
namespace {

// The head widths that are compiled as constants, so that a row of a head stays in registers; W = 0: any width.
#define KEN_WIDTHS(width, call) \
  switch (width) {              \
    case 16:                    \
      call(16);                 \
      break;                    \
    case 32:                    \
      call(32);                 \
      break;                    \
    case 64:                    \
      call(64);                 \
      break;                    \
    case 128:                   \
      call(128);                \
      break;                    \
    default:                    \
      call(0);                  \
  }

// n rows of one head, `stride` apart, as f32 one after the other.
template <int W, typename T>
KEN_INLINE void load_rows(const T* from, int64_t stride, int64_t n, int64_t width, float* to) {
  const int64_t D = W ? W : width;
  for (int64_t j = 0; j < n; ++j) {
#pragma omp simd
    for (int64_t i = 0; i < D; ++i) to[j * D + i] = load(from[j * stride + i]);
  }
}
template <int W, typename T>
KEN_INLINE void store_rows(const float* from, int64_t stride, int64_t n, int64_t width, T* to) {
  const int64_t D = W ? W : width;
  for (int64_t j = 0; j < n; ++j) {
#pragma omp simd
    for (int64_t i = 0; i < D; ++i) store(to[j * stride + i], from[j * D + i]);
  }
}

// The first key that position t sees.
KEN_INLINE int64_t first_key(int64_t t, int64_t window) { return window > 0 && t >= window ? t + 1 - window : 0; }

constexpr int64_t rows_a_tile = 64;
int64_t padded(int64_t n) { return (n + lanes - 1) / lanes * lanes; }

template <typename T>
struct Gradients {
  const T *dz, *q, *k, *v, *z;
  const float* lse;
  T *dq, *dk, *dv;
  int64_t heads, kv_heads, width;
  float scale, cap;
  int64_t window;
  // k, v, dk, dv and the transposed k, v of a sequence; q, dz, dq and two tiles of rows x keys.
  int64_t scratch(int64_t longest) const {
    return 4 * longest * width + 2 * padded(longest) * width + 3 * rows_a_tile * width +
           2 * rows_a_tile * padded(longest) + 2 * rows_a_tile;
  }
};

// A tile of query rows of one head against the keys before them. p and ds [row, N]; kt and vt are [D, N].
struct Tile {
  float *q, *dz, *dq, *p, *ds, *delta, *lse;
  int64_t first, rows, N;
};

// Probabilities and the gradients of the scores, a lane per key: sixteen keys' sums stay in registers.
template <int W>
KEN_INLINE void tile_scores(const Tile& t, const float* kt, const float* vt, int64_t width, float scale, float cap,
                            int64_t window) {
  const int64_t D = W ? W : width, N = t.N;
  for (int64_t r = 0; r < t.rows; ++r) {
    const int64_t keys = t.first + r + 1, from = first_key(t.first + r, window);
    const float *q = t.q + r * D, *dz = t.dz + r * D, lse = t.lse[r], delta = t.delta[r];
    for (int64_t j = 0; j < keys; j += lanes) {
      float score[lanes] = {}, dp[lanes] = {}, *p = t.p + r * N + j, *ds = t.ds + r * N + j;
      for (int64_t i = 0; i < D; ++i) {
        const float qi = q[i], dzi = dz[i], *key = kt + i * N + j, *value = vt + i * N + j;
#pragma omp simd
        for (int64_t l = 0; l < lanes; ++l) score[l] += qi * key[l], dp[l] += dzi * value[l];
      }
      if (cap > 0) {
#pragma omp simd
        for (int64_t l = 0; l < lanes; ++l) {
          const float capped = cap - 2 * cap / (exp_(2 * score[l] * scale / cap) + 1), slope = capped / cap;
          const float weight = exp_(capped - lse);
          p[l] = j + l < keys && j + l >= from ? weight : 0.0f;
          ds[l] = p[l] * (dp[l] - delta) * scale * (1 - slope * slope);
        }
        continue;
      }
#pragma omp simd
      for (int64_t l = 0; l < lanes; ++l) {
        const float weight = exp_(score[l] * scale - lse);
        p[l] = j + l < keys && j + l >= from ? weight : 0.0f;
        ds[l] = p[l] * (dp[l] - delta) * scale;
      }
    }
  }
}

// to[i] += sum of weight[j] * rows[j][i] over n weights that lie `step` apart, in their order.
template <int W>
KEN_INLINE void add_weighted(const float* weight, int64_t step, const float* rows, int64_t n, int64_t width,
                             float* to) {
  if constexpr (W > 0) {
    float sum[W];
#pragma omp simd
    for (int64_t i = 0; i < W; ++i) sum[i] = to[i];
    for (int64_t j = 0; j < n; ++j) {
      const float w = weight[j * step], *row = rows + j * W;
#pragma omp simd
      for (int64_t i = 0; i < W; ++i) sum[i] += w * row[i];
    }
#pragma omp simd
    for (int64_t i = 0; i < W; ++i) to[i] = sum[i];
  } else {
    for (int64_t j = 0; j < n; ++j) {
      const float w = weight[j * step], *row = rows + j * width;
#pragma omp simd
      for (int64_t i = 0; i < width; ++i) to[i] += w * row[i];
    }
  }
}

template <int W>
KEN_INLINE void tile_products(const Tile& t, const float* k, float* dk, float* dv, int64_t width) {
  const int64_t D = W ? W : width, N = t.N, all = t.first + t.rows;
  std::memset(t.dq, 0, size_t(t.rows * D) * sizeof(float));
  for (int64_t r = 0; r < t.rows; ++r) add_weighted<W>(t.ds + r * N, 1, k, t.first + r + 1, D, t.dq + r * D);
  for (int64_t j = 0; j < all; ++j) {
    const int64_t from = j > t.first ? j - t.first : 0;  // earlier rows do not see key j
    add_weighted<W>(t.ds + from * N + j, N, t.q + from * D, t.rows - from, D, dk + j * D);
    add_weighted<W>(t.p + from * N + j, N, t.dz + from * D, t.rows - from, D, dv + j * D);
  }
}

KEN_INLINE void transpose(const float* x, int64_t n, int64_t D, int64_t N, float* y) {
  for (int64_t i = 0; i < D; ++i) {
    for (int64_t j = 0; j < n; ++j) y[i * N + j] = x[j * D + i];
    for (int64_t j = n; j < N; ++j) y[i * N + j] = 0;
  }
}

// The rows of a tile, and for each its log-sum-exp and z . dz.
template <int W, typename T>
KEN_INLINE void load_tile(const Gradients<T>& a, int64_t row, int64_t h, const Tile& t) {
  const int64_t D = W ? W : a.width, stride = a.heads * D, at = row * stride + h * D;
  load_rows<W>(a.q + at, stride, t.rows, D, t.q);
  load_rows<W>(a.dz + at, stride, t.rows, D, t.dz);
  for (int64_t r = 0; r < t.rows; ++r) {
    float delta = 0;
#pragma omp simd reduction(+ : delta)
    for (int64_t i = 0; i < D; ++i) delta += t.dz[r * D + i] * load(a.z[at + r * stride + i]);
    t.delta[r] = delta, t.lse[r] = a.lse[(row + r) * a.heads + h];
  }
}

// One (sequence, kv head): the query heads of its group add to dk and dv one after the other.
template <int W, typename T>
KEN_INLINE void packed_backward(const Gradients<T>& a, int64_t begin, int64_t end, int64_t kh, float* scratch) {
  const int64_t D = W ? W : a.width, n = end - begin, N = (n + lanes - 1) / lanes * lanes, group = a.heads / a.kv_heads,
                stride = a.kv_heads * D;
  float *k = scratch, *v = k + n * D, *dk = v + n * D, *dv = dk + n * D, *kt = dv + n * D, *vt = kt + N * D,
        *q = vt + N * D;
  float *dz = q + rows_a_tile * D, *dq = dz + rows_a_tile * D, *p = dq + rows_a_tile * D, *ds = p + rows_a_tile * N,
        *delta = ds + rows_a_tile * N;
  load_rows<W>(a.k + begin * stride + kh * D, stride, n, D, k);
  load_rows<W>(a.v + begin * stride + kh * D, stride, n, D, v);
  transpose(k, n, D, N, kt);
  transpose(v, n, D, N, vt);
  std::memset(dk, 0, size_t(2 * n * D) * sizeof(float));
  for (int64_t h = kh * group; h < (kh + 1) * group; ++h) {
    for (int64_t first = 0; first < n; first += rows_a_tile) {
      const Tile tile{
          q, dz, dq, p, ds, delta, delta + rows_a_tile, first, n - first < rows_a_tile ? n - first : rows_a_tile, N};
      load_tile<W>(a, begin + first, h, tile);
      tile_scores<W>(tile, kt, vt, D, a.scale, a.cap, a.window);
      tile_products<W>(tile, k, dk, dv, D);
      store_rows<W>(dq, a.heads * D, tile.rows, D, a.dq + (begin + first) * a.heads * D + h * D);
    }
  }
  store_rows<W>(dk, stride, n, D, a.dk + begin * stride + kh * D);
  store_rows<W>(dv, stride, n, D, a.dv + begin * stride + kh * D);
}
template <typename T>
KEN_INLINE void backward_any(const Gradients<T>& a, int64_t b, int64_t e, int64_t kh, float* s){
#define KEN_CALL(W) packed_backward<W>(a, b, e, kh, s)
    KEN_WIDTHS(a.width, KEN_CALL)
#undef KEN_CALL
} KEN_CLONES void run_packed_backward(const Gradients<float>& a, int64_t b, int64_t e, int64_t kh, float* s) {
  backward_any(a, b, e, kh, s);
}
KEN_CLONES void run_packed_backward(const Gradients<bf16>& a, int64_t b, int64_t e, int64_t kh, float* s) {
  backward_any(a, b, e, kh, s);
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

std::tuple<Tensor, Tensor, Tensor> attention_backward_cpu(const Tensor& dz, const Tensor& q, const Tensor& k,
                                                          const Tensor& v, const Tensor& z, const Tensor& lse,
                                                          const Tensor& offsets, double scale, int64_t window,
                                                          double cap) {
  Tensor dq = at::empty_like(q), dk = at::empty_like(k), dv = at::empty_like(v);
  const int64_t* at = offsets.data_ptr<int64_t>();
  const int64_t S = offsets.size(0) - 1, K = k.size(1);
  with_data(q, [&](auto* data) {
    using T = std::remove_pointer_t<decltype(data)>;
    const auto of = [](const Tensor& x) { return static_cast<T*>(x.data_ptr()); };
    const Gradients<T> a{of(dz),       of(q),      of(k),  of(v),     of(z), lse.data_ptr<float>(),
                         of(dq),       of(dk),     of(dv), q.size(1), K,     q.size(2),
                         float(scale), float(cap), window};
    for_tasks(S * K, a.scratch(longest(at, S)), [&](int64_t task, float* scratch) {
      run_packed_backward(a, at[task / K], at[task / K + 1], task % K, scratch);
    });
  });
  return {dq, dk, dv};
}

}  // namespace

TORCH_LIBRARY_FRAGMENT(ken, m) {
  m.def(
      "attention_backward(Tensor dz, Tensor q, Tensor k, Tensor v, Tensor z, Tensor lse, Tensor offsets, float scale, "
      "int window, float cap) -> (Tensor, Tensor, Tensor)");
}
TORCH_LIBRARY_IMPL(ken, CPU, m) { m.impl("attention_backward", attention_backward_cpu); }

std::tuple<Tensor, Tensor, Tensor> attention_backward(const Tensor& dz, const Tensor& q, const Tensor& k,
                                                      const Tensor& v, const Tensor& z, const Tensor& lse,
                                                      const Tensor& offsets, const Scores& how) {
  static const auto op = operation<std::tuple<Tensor, Tensor, Tensor>(
      const Tensor&, const Tensor&, const Tensor&, const Tensor&, const Tensor&, const Tensor&, const Tensor&, double,
      int64_t, double)>("ken::attention_backward");
  return op.call(dz.contiguous(), q, k, v, z, lse, offsets, how.scale, how.window, how.cap);
}

}  // namespace ken::kernels
