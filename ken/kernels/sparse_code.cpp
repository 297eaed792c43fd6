#include "ken/kernels/sparse_code.h"

#include <algorithm>
#include <functional>

#include "ken/kernels/simd.h"

namespace ken::kernels {
namespace {

constexpr int64_t lanes = 16;

// Most stretches of sixteen hold no active feature, so that one look at all of them decides.
template <typename T>
KEN_INLINE int64_t above(const T* pre, const float* bias, const float* threshold, int64_t m, int32_t* feature,
                         float* value) {
  int64_t count = 0, j = 0;
  for (; j + lanes <= m; j += lanes) {
    float y[lanes];
    int any = 0;
#pragma omp simd reduction(| : any)
    for (int64_t l = 0; l < lanes; ++l) {
      y[l] = load(pre[j + l]) + bias[j + l];
      any |= y[l] > threshold[j + l];
    }
    if (!any) continue;
    for (int64_t l = 0; l < lanes; ++l) {
      feature[count] = int32_t(j + l);
      value[count] = y[l];
      count += y[l] > threshold[j + l];
    }
  }
  for (; j < m; ++j) {
    feature[count] = int32_t(j);
    value[count] = load(pre[j]) + bias[j];
    count += value[count] > threshold[j];
  }
  return count;
}

// A bound that at least k of the n numbers reach: the k-th largest of the maxima of `groups` >= k groups.
KEN_INLINE float lower_bound_of_largest(const float* y, int64_t n, int64_t k, int64_t groups, float* maxima) {
  std::copy(y, y + groups, maxima);
  int64_t j = groups;
  for (; j + groups <= n; j += groups) {
#pragma omp simd
    for (int64_t g = 0; g < groups; ++g) maxima[g] = y[j + g] > maxima[g] ? y[j + g] : maxima[g];
  }
  for (int64_t g = 0; j + g < n; ++g) maxima[g] = std::max(maxima[g], y[j + g]);
  std::nth_element(maxima, maxima + k - 1, maxima + groups, std::greater<float>());
  return maxima[k - 1];
}

KEN_INLINE int64_t at_least(const float* y, int64_t m, float bound, int32_t* feature, float* value) {
  int64_t count = 0, j = 0;
  for (; j + lanes <= m; j += lanes) {
    int any = 0;
#pragma omp simd reduction(| : any)
    for (int64_t l = 0; l < lanes; ++l) any |= y[j + l] >= bound;
    if (!any) continue;
    for (int64_t l = 0; l < lanes; ++l) {
      feature[count] = int32_t(j + l);
      value[count] = y[j + l];
      count += y[j + l] >= bound;
    }
  }
  for (; j < m; ++j) {
    feature[count] = int32_t(j);
    value[count] = y[j];
    count += y[j] >= bound;
  }
  return count;
}

// Of `count` entries the k largest, in place.
KEN_INLINE int64_t keep_largest(int32_t* feature, float* value, int64_t count, int64_t k, float* scratch) {
  if (count > k) {
    std::copy(value, value + count, scratch);
    std::nth_element(scratch, scratch + k - 1, scratch + count, std::greater<float>());
    const float least = scratch[k - 1];
    int64_t equal = k;
    for (int64_t e = 0; e < count; ++e) equal -= value[e] > least;
    int64_t kept = 0;
    for (int64_t e = 0; e < count; ++e) {
      if (value[e] < least || (value[e] == least && equal-- <= 0)) continue;
      feature[kept] = feature[e];
      value[kept++] = value[e];
    }
    count = kept;
  }
  int64_t positive = 0;
  for (int64_t e = 0; e < count; ++e) {
    feature[positive] = feature[e];
    value[positive] = value[e];
    positive += value[e] > 0;
  }
  return positive;
}

template <typename T>
KEN_INLINE int64_t largest(const T* pre, const float* bias, int64_t m, int64_t k, float* scratch, int32_t* feature,
                           float* value) {
  float *y = scratch, *rest = scratch + m;
#pragma omp simd
  for (int64_t j = 0; j < m; ++j) y[j] = load(pre[j]) + bias[j];
  k = std::min(k, m);
  const int64_t groups = (4 * k + lanes - 1) / lanes * lanes;
  const float bound = 2 * groups <= m ? lower_bound_of_largest(y, m, k, groups, rest) : -INFINITY;
  return keep_largest(feature, value, at_least(y, m, bound, feature, value), k, rest);
}

}  // namespace

KEN_CLONES int64_t entries_above(const float* pre, const float* bias, const float* threshold, int64_t m,
                                 int32_t* feature, float* value) {
  return above(pre, bias, threshold, m, feature, value);
}
KEN_CLONES int64_t entries_above(const uint16_t* pre, const float* bias, const float* threshold, int64_t m,
                                 int32_t* feature, float* value) {
  return above(pre, bias, threshold, m, feature, value);
}
KEN_CLONES int64_t largest_entries(const float* pre, const float* bias, int64_t m, int64_t k, float* scratch,
                                   int32_t* feature, float* value) {
  return largest(pre, bias, m, k, scratch, feature, value);
}
KEN_CLONES int64_t largest_entries(const uint16_t* pre, const float* bias, int64_t m, int64_t k, float* scratch,
                                   int32_t* feature, float* value) {
  return largest(pre, bias, m, k, scratch, feature, value);
}

// Four rows at a time: the sum is loaded and stored once for them.
KEN_CLONES void add_rows(float* sum, const float* rows, const int32_t* index, const float* weight, int64_t count,
                         int64_t d) {
  int64_t e = 0;
  for (; e + 4 <= count; e += 4) {
    const float *a = rows + index[e] * d, *b = rows + index[e + 1] * d, *c = rows + index[e + 2] * d,
                *f = rows + index[e + 3] * d;
    const float wa = weight[e], wb = weight[e + 1], wc = weight[e + 2], wf = weight[e + 3];
#pragma omp simd
    for (int64_t i = 0; i < d; ++i) sum[i] += wa * a[i] + wb * b[i] + (wc * c[i] + wf * f[i]);
  }
  for (; e < count; ++e) {
    const float* a = rows + index[e] * d;
    const float w = weight[e];
#pragma omp simd
    for (int64_t i = 0; i < d; ++i) sum[i] += w * a[i];
  }
}

KEN_CLONES void row_products(float* result, const float* rows, const int32_t* index, int64_t count, const float* x,
                             int64_t d) {
  for (int64_t e = 0; e < count; ++e) {
    const float* row = rows + index[e] * d;
    float sum = 0;
#pragma omp simd reduction(+ : sum)
    for (int64_t i = 0; i < d; ++i) sum += row[i] * x[i];
    result[e] = sum;
  }
}

KEN_CLONES void adam_row(float* w, float* m, float* v, const float* gradient, int64_t d, const AdamStep& s) {
  const float keep1 = 1 - s.beta1, keep2 = 1 - s.beta2;
#pragma omp simd
  for (int64_t i = 0; i < d; ++i) {
    const float g = gradient[i];
    m[i] = s.beta1 * m[i] + keep1 * g;
    v[i] = s.beta2 * v[i] + keep2 * g * g;
    w[i] -= s.rate * m[i] / (std::sqrt(v[i] * s.second) + s.epsilon);
  }
}

KEN_CLONES void remove_parallel(float* gradient, const float* w, int64_t d) {
  float along = 0;
#pragma omp simd reduction(+ : along)
  for (int64_t i = 0; i < d; ++i) along += gradient[i] * w[i];
#pragma omp simd
  for (int64_t i = 0; i < d; ++i) gradient[i] -= along * w[i];
}

KEN_CLONES void to_unit(float* w, int64_t d) {
  float square = 0;
#pragma omp simd reduction(+ : square)
  for (int64_t i = 0; i < d; ++i) square += w[i] * w[i];
  if (square == 0) return;
  const float scale = 1 / std::sqrt(square);
#pragma omp simd
  for (int64_t i = 0; i < d; ++i) w[i] *= scale;
}

KEN_CLONES void round_row(uint16_t* to, const float* from, int64_t d) {
#pragma omp simd
  for (int64_t i = 0; i < d; ++i) store(to[i], from[i]);
}

}  // namespace ken::kernels
