// A matrix as it is stored: rows of f32, f16, bf16 or of a format's blocks. No torch here.
#pragma once
#include <algorithm>
#include <type_traits>

#include "ken/kernels/simd.h"
#include "ken/quant/format.h"

namespace ken::kernels {

enum class Stored { f32, f16, bf16, blocks };

struct StoredMatrix {
  const void* data = nullptr;
  Stored type = Stored::f32;
  const quant::Format* format = nullptr;  // of blocks
  int64_t out = 0, in = 0;
};

// One row in f32 or bf16.
template <typename Out>
void widen_row(const StoredMatrix& from, int64_t row, Out* out) {
  const auto convert = [&](const auto* numbers, auto widened) {
    for (int64_t i = 0; i < from.in; ++i) store(out[i], widened(numbers[row * from.in + i]));
  };
  const auto* halves = static_cast<const uint16_t*>(from.data);
  if (from.type == Stored::f32) return convert(static_cast<const float*>(from.data), [](float x) { return x; });
  if (from.type == Stored::bf16) return convert(halves, [](bf16 x) { return load(x); });
  if (from.type == Stored::f16) return convert(halves, [](uint16_t x) { return quant::f16_to_f32(x); });
  const quant::Format& format = *from.format;
  const auto* blocks = static_cast<const std::byte*>(from.data) + size_t(row) * format.bytes_of(from.in);
  if constexpr (std::is_same_v<Out, float>) {
    format.decode(blocks, out, from.in / format.block);
  } else {
    // A few blocks at a time stay in the first-level cache on their way to bf16.
    float values[512];
    const int64_t step = int64_t(std::size(values)) / format.block * format.block;
    for (int64_t first = 0; first < from.in; first += step) {
      const int64_t n = std::min(step, from.in - first);
      format.decode(blocks + format.bytes_of(first), values, n / format.block);
      for (int64_t i = 0; i < n; ++i) store(out[first + i], values[i]);
    }
  }
}

}  // namespace ken::kernels
