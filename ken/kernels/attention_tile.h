// Attention of a tile of query rows over one kv head whose keys lie transposed in blocks of 16: a lane is a key, so a
// vector of scores builds up over the head's width without a horizontal sum, and every row of the tile uses a key or a
// value that is loaded once. The query heads of a group are rows like any other.
//
// A row's bits depend on the row alone: each score is one chain of multiply-adds over the width, the softmax sums by
// lane = key mod 16 and then over the lanes in a fixed tree, and z adds up in the order of the keys. How many rows or
// blocks go together only changes which of these independent chains run side by side. Every product has one use, a sum,
// so the compiler fuses all of them or (without FMA) none.
#pragma once
#include <algorithm>
#include <type_traits>

#include "ken/kernels/simd.h"

namespace ken::kernels {

constexpr int64_t lanes = 16, most_rows = 8, blocks_ahead = 4;

// One kv head of one sequence in blocks of 16 positions: block b begins at place(b), k as [D, 16] and v as [16, D].
// Behind the levels of an int8 block lie 16 scales, one a position.
template <typename KV>
struct Pages {
  const KV *k, *v;
  const int32_t* table;  // the numbers of the blocks; null: they follow each other
  int64_t step;          // from a block's number to the next
  KEN_INLINE int64_t place(int64_t b) const { return (table ? int64_t(table[b]) : b) * step; }
};

// The query rows of one (sequence, kv head). Row m is head m % group at token m / group.
template <typename T, typename KV>
struct QueryRows {
  const T* q;  // of row 0; a token's heads are `heads` * width apart
  T* z;
  float* lse;  // null: not wanted
  int64_t heads, group, width;
  int64_t past;  // keys before the first token's own
  Pages<KV> pages;
  float scale, cap;
  int64_t window;
  KEN_INLINE int64_t place(int64_t m) const { return m / group * heads + m % group; }
  KEN_INLINE int64_t keys(int64_t m) const { return past + m / group + 1; }
  // The first key that row m sees.
  KEN_INLINE int64_t first(int64_t m) const { return window > 0 && keys(m) > window ? keys(m) - window : 0; }
};

// n numbers as f32: those in place, or widened in `space`. (A copy of f32 would become a memcpy, which would keep the
// sums beside it out of registers.)
template <int n>
KEN_INLINE const float* widened(const float* x, float*) {
  return x;
}
template <int n, typename KV>
KEN_INLINE const float* widened(const KV* x, float* space) {
#pragma omp simd
  for (int l = 0; l < n; ++l) space[l] = load(x[l]);
  return space;
}

// The scales of a block of int8; numbers of other types are themselves.
template <typename KV>
constexpr bool has_scales = std::is_same_v<KV, int8_t>;
KEN_INLINE const float* scales_of(const int8_t* block, int64_t D) {
  return reinterpret_cast<const float*>(block + D * lanes);
}

// Asks for n numbers that come next: blocks lie apart, and the machine's own prefetching begins anew in each.
template <int n, typename KV>
KEN_INLINE void ask_for(const KV* x) {
#pragma GCC unroll 4
  for (int i = 0; i < n; i += 64 / int(sizeof(KV))) __builtin_prefetch(x + i);
}

// sum[r][b] += the products of I dimensions with B blocks of keys. Two dimensions at once fill a vector of bf16.
template <int R, int B, int I, typename KV>
KEN_INLINE void add_dimensions(const float* q, const KV* const* k, const KV* const* next, int64_t i,
                               float (&sum)[R][B][lanes]) {
#pragma GCC unroll 8
  for (int b = 0; b < B; ++b) {
    float space[I * lanes];
    ask_for<I * lanes>(next[b] + i * lanes);
    const float* key = widened<I * lanes>(k[b] + i * lanes, space);
#pragma GCC unroll 8
    for (int d = 0; d < I; ++d) {
#pragma GCC unroll 8
      for (int r = 0; r < R; ++r) {
        const float x = q[(i + d) * R + r];
#pragma omp simd
        for (int l = 0; l < lanes; ++l) sum[r][b][l] += x * key[d * lanes + l];
      }
    }
  }
}

// p[r, b * 16 + l] = scale * q[r] . k[b][l] for B blocks; q is [D, R], a row of p has N numbers.
template <int R, int B, typename KV>
KEN_INLINE void score_blocks(const float* q, const KV* const* k, const KV* const* next, int64_t D, float scale,
                             float* p, int64_t N) {
  float sum[R][B][lanes];
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 8
    for (int b = 0; b < B; ++b) {
#pragma omp simd
      for (int l = 0; l < lanes; ++l) sum[r][b][l] = 0;
    }
  }
  int64_t i = 0;
  for (; i + 2 <= D; i += 2) add_dimensions<R, B, 2>(q, k, next, i, sum);
  if (i < D) add_dimensions<R, B, 1>(q, k, next, i, sum);
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 8
    for (int b = 0; b < B; ++b) {
      if constexpr (has_scales<KV>) {
        const float* of_key = scales_of(k[b], D);
#pragma omp simd
        for (int l = 0; l < lanes; ++l) sum[r][b][l] *= of_key[l];
      }
#pragma omp simd
      for (int l = 0; l < lanes; ++l) p[r * N + b * lanes + l] = sum[r][b][l] * scale;
    }
  }
}

// Few rows take several blocks at once: a sum waits for itself, so eight of them run side by side.
template <int R, typename KV>
KEN_INLINE void score_rows(const float* q, const Pages<KV>& pages, int64_t begin, int64_t end, int64_t D, float scale,
                           float* p, int64_t N) {
  constexpr int B = R < 4 ? 4 : R == 4 ? 2 : 1;
  // Behind the keys come the values.
  const auto after = [&](int64_t b) {
    return b < end ? pages.k + pages.place(b) : pages.v + pages.place(std::min(b - end + begin, end - 1));
  };
  int64_t b = begin;
  for (; b + B <= end; b += B) {
    const KV *k[B], *next[B];
    for (int i = 0; i < B; ++i) k[i] = pages.k + pages.place(b + i), next[i] = after(b + i + B);
    score_blocks<R, B>(q, k, next, D, scale, p + (b - begin) * lanes, N);
  }
  for (; b < end; ++b) {
    const KV *k[1] = {pages.k + pages.place(b)}, *next[1] = {after(b + 1)};
    score_blocks<R, 1>(q, k, next, D, scale, p + (b - begin) * lanes, N);
  }
}

// In place: scores -> cap * tanh(scores / cap), by the same exponential as the softmax.
KEN_INLINE void cap_scores(float* p, int64_t n, float cap) {
#pragma omp simd
  for (int64_t j = 0; j < n; ++j) p[j] = cap - 2 * cap / (exp_(2 * p[j] / cap) + 1);
}

struct Softmax {
  float top, sum;
};
// In place: the scores of keys [from, n) -> exp(score - top), those of the other keys of their blocks -> 0.
KEN_INLINE Softmax exponentiate(float* p, int64_t from, int64_t n, float cap) {
  const int64_t begin = from / lanes * lanes, end = (n + lanes - 1) / lanes * lanes;
  if (cap > 0) cap_scores(p + begin, end - begin, cap);
  for (int64_t j = begin; j < from; ++j) p[j] = -INFINITY;
  for (int64_t j = n; j < end; ++j) p[j] = -INFINITY;
  float most[lanes], sum[lanes];
  for (int64_t l = 0; l < lanes; ++l) most[l] = -INFINITY, sum[l] = 0;
  for (int64_t j = begin; j < end; j += lanes) {
#pragma omp simd
    for (int64_t l = 0; l < lanes; ++l) most[l] = p[j + l] > most[l] ? p[j + l] : most[l];
  }
  float top = most[0];
  for (int64_t l = 1; l < lanes; ++l) top = most[l] > top ? most[l] : top;
  for (int64_t j = begin; j < end; j += lanes) {
#pragma omp simd
    for (int64_t l = 0; l < lanes; ++l) p[j + l] = exp_(p[j + l] - top), sum[l] += p[j + l];
  }
  for (int64_t half = lanes / 2; half > 0; half /= 2)
    for (int64_t l = 0; l < half; ++l) sum[l] += sum[l + half];
  return {top, sum[0]};
}

// p[j] times the scale of value j, for the keys of blocks [begin, end), the first of which p begins with.
template <typename KV>
KEN_INLINE void scale_values(float* p, const Pages<KV>& pages, int64_t begin, int64_t end, int64_t D) {
  if constexpr (has_scales<KV>) {
    for (int64_t b = begin; b < end; ++b, p += lanes) {
      const float* of_value = scales_of(pages.v + pages.place(b), D);
#pragma omp simd
      for (int64_t l = 0; l < lanes; ++l) p[l] *= of_value[l];
    }
  }
}

// z[r, c .. c + W) += sum over keys [from, to) of p[r, j] * v[j, c .. c + W), in their order; rows of z are D apart. Of
// the W columns the first n are there.
template <int R, int W, typename KV>
KEN_INLINE void add_columns(const float* p, int64_t N, const Pages<KV>& pages, int64_t c, int64_t from, int64_t to,
                            int64_t D, float* z, int n = W) {
  float sum[R][W];
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r) {
#pragma omp simd
    for (int l = 0; l < W; ++l) sum[r][l] = l < n ? z[r * D + c + l] : 0;
  }
  const int64_t last = (to - 1) / lanes;
  for (int64_t j = from; j < to;) {
    const int64_t stop = std::min(to, (j / lanes + 1) * lanes), in_block = j % lanes * D + c;
    const KV* v = pages.v + pages.place(j / lanes) + in_block;
    const KV* next = pages.v + pages.place(std::min(j / lanes + blocks_ahead, last)) + in_block;
    for (; j < stop; ++j, v += D, next += D) {
      ask_for<W>(next);
      float space[W];
      const float* value = space;
      if (n == W) {
        value = widened<W>(v, space);
      } else {
        for (int l = 0; l < W; ++l) space[l] = l < n ? load(v[l]) : 0;
      }
#pragma GCC unroll 8
      for (int r = 0; r < R; ++r) {
        const float x = p[r * N + j];
#pragma omp simd
        for (int l = 0; l < W; ++l) sum[r][l] += x * value[l];
      }
    }
  }
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r) {
#pragma omp simd
    for (int l = 0; l < n; ++l) z[r * D + c + l] = sum[r][l];
  }
}

// The same for the whole width: as many columns at a time as their sums find registers, the last filled up to a vector.
// (A lone column would be a sum over the keys, whose products the compiler may compute in a vector and then not fuse.)
template <int R, typename KV>
KEN_INLINE void add_values(const float* p, int64_t N, const Pages<KV>& pages, int64_t from, int64_t to, int64_t D,
                           float* z) {
  constexpr int wide = (R == 8 ? 2 : 4) * int(lanes);
  if (from >= to) return;
  int64_t c = 0;
  for (; c + wide <= D; c += wide) add_columns<R, wide>(p, N, pages, c, from, to, D, z);
  for (; c + lanes <= D; c += lanes) add_columns<R, int(lanes)>(p, N, pages, c, from, to, D, z);
  if (c < D) add_columns<R, int(lanes)>(p, N, pages, c, from, to, D, z, int(D - c));
}

// Rows [m, m + count), count <= R: a tile that is not full is filled up with zeros.
template <int R, typename T, typename KV>
KEN_INLINE void attend_tile(const QueryRows<T, KV>& a, int64_t m, int64_t count, float* scratch) {
  const int64_t D = a.width, last = m + count - 1, begin = a.first(m) / lanes, base = begin * lanes,
                end = (a.keys(last) + lanes - 1) / lanes;
  const int64_t N = ((end - begin) | 1) * lanes;  // an odd number of cache lines: rows do not fall on the same set
  float *q = scratch, *z = q + R * D, *p = z + R * D;
  for (int64_t r = 0; r < R; ++r) {
    const T* from = a.q + a.place(m + (r < count ? r : 0)) * D;
    for (int64_t i = 0; i < D; ++i) q[i * R + r] = r < count ? load(from[i]) : 0.0f, z[r * D + i] = 0;
  }
  score_rows<R>(q, a.pages, begin, end, D, a.scale, p, N);
  Softmax rows[R] = {};
  for (int64_t r = 0; r < count; ++r) {
    rows[r] = exponentiate(p + r * N, a.first(m + r) - base, a.keys(m + r) - base, a.cap);
    scale_values(p + r * N, a.pages, begin, end, D);
  }
  // Keys that all rows see go together; a row's few before and after them by themselves.
  const float* weight = p - base;
  const int64_t to = a.keys(m), from = std::min(a.first(last), to);
  for (int64_t r = 0; r < count; ++r) add_values<1>(weight + r * N, N, a.pages, a.first(m + r), from, D, z + r * D);
  add_values<R>(weight, N, a.pages, from, to, D, z);
  for (int64_t r = 0; r < count; ++r) {
    const int64_t row = a.place(m + r);
    add_values<1>(weight + r * N, N, a.pages, std::max(to, a.first(m + r)), a.keys(m + r), D, z + r * D);
    for (int64_t i = 0; i < D; ++i) store(a.z[row * D + i], z[r * D + i] / rows[r].sum);
    if (a.lse) a.lse[row] = rows[r].top + std::log(rows[r].sum);
  }
}

// Floats that attend_rows and attend_forks need for sequences of at most `keys` keys.
inline int64_t tile_scratch(int64_t keys, int64_t D) {
  return 3 * most_rows * D + most_rows * (((keys + lanes - 1) / lanes + 1) | 1) * lanes;
}

// Sequences of one row each that begin with the same blocks.
template <typename T, typename KV>
struct Forks {
  const QueryRows<T, KV>* sequences;
  int64_t blocks;  // that all begin with; each has keys of its own behind them, and sees all
};

// Sequences [i, i + count), count <= R: R rows meet the common blocks at once, then each its own.
template <int R, typename T, typename KV>
KEN_INLINE void attend_fork_tile(const Forks<T, KV>& forks, int64_t i, int64_t count, float* scratch) {
  const QueryRows<T, KV>*a = forks.sequences + i, &any = *a;
  const int64_t D = any.width, common = forks.blocks * lanes;
  int64_t longest = 0;
  for (int64_t r = 0; r < count; ++r) longest = std::max(longest, a[r].keys(0));
  const int64_t N = ((longest + lanes - 1) / lanes | 1) * lanes;
  float *q = scratch, *own = q + R * D, *z = own + R * D, *p = z + R * D;  // q [D, R] and own [R, D]: the same
  for (int64_t r = 0; r < R; ++r) {
    const T* from = a[r < count ? r : 0].q;
    for (int64_t d = 0; d < D; ++d) q[d * R + r] = own[r * D + d] = r < count ? load(from[d]) : 0.0f, z[r * D + d] = 0;
  }
  score_rows<R>(q, any.pages, 0, forks.blocks, D, any.scale, p, N);
  Softmax rows[R] = {};
  for (int64_t r = 0; r < count; ++r) {
    const int64_t keys = a[r].keys(0), end = (keys + lanes - 1) / lanes;
    score_rows<1>(own + r * D, a[r].pages, forks.blocks, end, D, any.scale, p + r * N + common, N);
    rows[r] = exponentiate(p + r * N, 0, keys, any.cap);
    scale_values(p + r * N, a[r].pages, 0, end, D);
  }
  add_values<R>(p, N, any.pages, 0, common, D, z);
  for (int64_t r = 0; r < count; ++r) {
    add_values<1>(p + r * N, N, a[r].pages, common, a[r].keys(0), D, z + r * D);
    for (int64_t d = 0; d < D; ++d) store(a[r].z[d], z[r * D + d] / rows[r].sum);
  }
}

// Rows [m, end), `rows` at a time.
template <typename T, typename KV>
KEN_INLINE void attend_rows(const QueryRows<T, KV>& a, int64_t m, int64_t end, int64_t rows, float* scratch) {
  for (int64_t count; m < end; m += count) {
    count = std::min(end - m, rows);
    if (count > 4) {
      attend_tile<8>(a, m, count, scratch);
    } else if (count > 2) {
      attend_tile<4>(a, m, count, scratch);
    } else if (count > 1) {
      attend_tile<2>(a, m, count, scratch);
    } else {
      attend_tile<1>(a, m, count, scratch);
    }
  }
}
// Sequences [i, end), `rows` at a time; each kind of tile is code that takes long to compile.
template <typename T, typename KV>
KEN_INLINE void attend_forks(const Forks<T, KV>& forks, int64_t i, int64_t end, int64_t rows, float* scratch) {
  for (int64_t count; i < end; i += count) {
    count = std::min(end - i, rows);
    if (count > 4) {
      attend_fork_tile<8>(forks, i, count, scratch);
    } else {
      attend_fork_tile<4>(forks, i, count, scratch);
    }
  }
}

// A position's number as levels of int8, `step` apart; its scale.
template <typename T>
KEN_INLINE float quantize(const T* x, int64_t D, int8_t* to, int64_t step) {
  float largest = 0;
#pragma omp simd reduction(max : largest)
  for (int64_t i = 0; i < D; ++i) largest = std::max(largest, std::abs(load(x[i])));
  const float inverse = largest > 0 ? 127.0f / largest : 0.0f;
  for (int64_t i = 0; i < D; i += lanes) {
    const int64_t n = std::min(lanes, D - i);
    int32_t level[lanes];
#pragma omp simd
    for (int64_t l = 0; l < lanes; ++l) level[l] = l < n ? int32_t(std::nearbyint(load(x[i + l]) * inverse)) : 0;
    for (int64_t l = 0; l < n; ++l) to[(i + l) * step] = int8_t(level[l]);
  }
  return largest / 127.0f;
}

// n rows, `stride` apart, into the slots [slot, slot + n) of a block: keys [D, 16], values [16, D].
template <typename T, typename KV>
KEN_INLINE void fill_block(const T* k, const T* v, int64_t stride, int64_t slot, int64_t n, int64_t D, KV* keys,
                           KV* values) {
  if constexpr (has_scales<KV>) {
    for (int64_t s = 0; s < n; ++s) {
      const float of_key = quantize(k + s * stride, D, keys + slot + s, lanes),
                  of_value = quantize(v + s * stride, D, values + (slot + s) * D, 1);
      reinterpret_cast<float*>(keys + D * lanes)[slot + s] = of_key;
      reinterpret_cast<float*>(values + D * lanes)[slot + s] = of_value;
    }
  } else {
    const auto put = [](KV& to, T from) {
      if constexpr (std::is_same_v<T, KV>) {
        to = from;
      } else {
        store(to, load(from));
      }
    };
    for (int64_t i = 0; i < D; ++i)
      for (int64_t s = 0; s < n; ++s) put(keys[i * lanes + slot + s], k[s * stride + i]);
    for (int64_t s = 0; s < n; ++s)
      for (int64_t i = 0; i < D; ++i) put(values[(slot + s) * D + i], v[s * stride + i]);
  }
}

}  // namespace ken::kernels
