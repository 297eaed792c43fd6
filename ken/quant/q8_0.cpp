// Q8_0, ggml's scalar reference (quantize_row_q8_0_ref): d = max|x| / 127 is stored as f16, but q = round(x / d) uses
// the unrounded d. What differs: values that the format cannot hold are an error instead of an undefined conversion.
#include <algorithm>
#include <cmath>

#include "ken/base/error.h"
#include "ken/quant/quant.h"

namespace ken::quant {
namespace {

void check_length(int64_t n) {
  if (n < 0 || n % q8_0_block != 0) fail("q8_0", "{} values are no multiple of the block of {}", n, q8_0_block);
}

float largest_magnitude(const float* x, int64_t first) {
  float largest = 0;
  for (int64_t i = 0; i < q8_0_block; ++i) {
    if (!std::isfinite(x[i])) fail("q8_0", "value {} is {}; only finite weights can be quantised", first + i, x[i]);
    largest = std::max(largest, std::fabs(x[i]));
  }
  return largest;
}

}  // namespace

void q8_0_quantize(const float* x, void* blocks, int64_t n) {
  check_length(n);
  auto* out = static_cast<unsigned char*>(blocks);
  for (int64_t first = 0; first < n; first += q8_0_block, out += q8_0_bytes) {
    const float largest = largest_magnitude(x + first, first);
    const float d = largest / 127.0f;
    const uint16_t stored = f32_to_f16(d);
    if (stored == 0x7c00) fail("q8_0", "a weight of {} is too large: the limit is 65504 * 127", largest);
    float inverse = d > 0 ? 1.0f / d : 0.0f;
    if (!std::isfinite(inverse)) inverse = 0;  // d is far below f16's smallest value: the block is zero either way
    std::memcpy(out, &stored, 2);
    for (int64_t i = 0; i < q8_0_block; ++i) {
      const int8_t q = int8_t(std::round(x[first + i] * inverse));
      std::memcpy(out + 2 + i, &q, 1);
    }
  }
}

void q8_0_dequantize(const void* blocks, float* x, int64_t n) {
  check_length(n);
  const auto* in = static_cast<const unsigned char*>(blocks);
  for (int64_t first = 0; first < n; first += q8_0_block, in += q8_0_bytes) {
    uint16_t stored;
    std::memcpy(&stored, in, 2);
    const float d = f16_to_f32(stored);
    for (int64_t i = 0; i < q8_0_block; ++i) {
      int8_t q;
      std::memcpy(&q, in + 2 + i, 1);
      x[first + i] = d * float(q);
    }
  }
}

}  // namespace ken::quant
