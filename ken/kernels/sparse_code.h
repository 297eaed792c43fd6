// Sparse codes over a dictionary (sparse autoencoders), on plain floats: which of a row's m features are active, sums
// and products over the active rows of a dictionary [m, d], and the optimiser's step of one such row.
#pragma once
#include <cstdint>

namespace ken::kernels {

// y[j] = pre[j] + bias[j], j < m. Writes the features with y > threshold[j], in ascending order, and their y; returns
// how many. Both outputs must have room for m + 1.
int64_t entries_above(const float* pre, const float* bias, const float* threshold, int64_t m, int32_t* feature,
                      float* value);
int64_t entries_above(const uint16_t* pre, const float* bias, const float* threshold, int64_t m, int32_t* feature,
                      float* value);  // bf16
// The k largest y, of these the positive ones, ascending by feature; of equal ones the first. `scratch` has room for
// 2 m + 64.
int64_t largest_entries(const float* pre, const float* bias, int64_t m, int64_t k, float* scratch, int32_t* feature,
                        float* value);
int64_t largest_entries(const uint16_t* pre, const float* bias, int64_t m, int64_t k, float* scratch, int32_t* feature,
                        float* value);

// sum[0..d) += weight[e] * rows[index[e] * d ...], e < count.
void add_rows(float* sum, const float* rows, const int32_t* index, const float* weight, int64_t count, int64_t d);
// result[e] = x . rows[index[e] * d ...].
void row_products(float* result, const float* rows, const int32_t* index, int64_t count, const float* x, int64_t d);

// Adam (Kingma and Ba, arXiv 1412.6980); `rate` holds the correction of the first moment, `second` that of the second.
struct AdamStep {
  float rate = 0, beta1 = 0.9f, beta2 = 0.999f, epsilon = 1e-8f, second = 1;
};
void adam_row(float* w, float* m, float* v, const float* gradient, int64_t d, const AdamStep& step);
void remove_parallel(float* gradient, const float* w, int64_t d);  // w of length 1
void to_unit(float* w, int64_t d);                                 // a row of zeros stays
void round_row(uint16_t* to, const float* from, int64_t d);        // to bf16

}  // namespace ken::kernels
