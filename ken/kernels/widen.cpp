// Stored weights widened a tile of rows at a time, by the scalar code of their format, to f32 or bf16.
#include "ken/kernels/dispatch.h"
#include "ken/kernels/kernels.h"
#include "ken/kernels/simd.h"

namespace ken::kernels {
namespace {

constexpr int64_t plain_weights = -1;  // the type of what torch stores itself: f16 and bf16

template <typename Out>
void widen_row(const Tensor& stored, const quant::Format* format, int64_t columns, int64_t r, Out* out) {
  if (format) {
    const auto* blocks = reinterpret_cast<const std::byte*>(stored.data_ptr<uint8_t>() + r * stored.size(1));
    if constexpr (std::is_same_v<Out, float>) return format->decode(blocks, out, columns / format->block);
    // One block at a time stays in the first-level cache on its way to bf16.
    float values[512];
    const int64_t step = sizeof values / sizeof *values / format->block * format->block;
    for (int64_t from = 0; from < columns; from += step) {
      const int64_t n = std::min(step, columns - from);
      format->decode(blocks + format->bytes_of(from), values, n / format->block);
      for (int64_t i = 0; i < n; ++i) store(out[from + i], values[i]);
    }
  } else if (is_bf16(stored)) {
    const uint16_t* source = bf16_data(stored) + r * columns;
    for (int64_t i = 0; i < columns; ++i) store(out[i], load(source[i]));
  } else {
    const auto* source = reinterpret_cast<const uint16_t*>(stored.data_ptr<at::Half>()) + r * columns;
    for (int64_t i = 0; i < columns; ++i) store(out[i], quant::f16_to_f32(source[i]));
  }
}

const quant::Format* format_of(const Tensor& stored, int64_t type, int64_t columns) {
  if (type == plain_weights) return nullptr;
  const quant::Format* format = quant::find_format(uint32_t(type));
  TORCH_CHECK(format && stored.scalar_type() == at::kByte, "[widen] ", type, " is no block format");
  TORCH_CHECK(columns % format->block == 0 && stored.size(1) == int64_t(format->bytes_of(columns)), "[widen] rows of ",
              stored.size(1), " bytes are not ", columns, " values of ", format->card.title);
  return format;
}

Tensor widen_cpu(const Tensor& stored, int64_t type, int64_t columns, int64_t begin, int64_t end,
                 at::ScalarType dtype) {
  const quant::Format* format = format_of(stored, type, columns);
  Tensor out = at::empty({end - begin, columns}, stored.options().dtype(dtype));
  const int64_t grain = std::max<int64_t>(1, 16384 / std::max<int64_t>(1, columns));
  with_data(out, [&](auto* data) {
    at::parallel_for(begin, end, grain, [&](int64_t from, int64_t to) {
      for (int64_t r = from; r < to; ++r) widen_row(stored, format, columns, r, data + (r - begin) * columns);
    });
  });
  return out;
}

}  // namespace

TORCH_LIBRARY_FRAGMENT(ken, m) {
  m.def("widen(Tensor stored, int type, int columns, int begin, int end, ScalarType dtype) -> Tensor");
}
TORCH_LIBRARY_IMPL(ken, CPU, m) { m.impl("widen", widen_cpu); }

Tensor widen(const Tensor& stored, const quant::Format* format, int64_t columns, int64_t begin, int64_t end,
             at::ScalarType dtype) {
  static const auto op =
      operation<Tensor(const Tensor&, int64_t, int64_t, int64_t, int64_t, at::ScalarType)>("ken::widen");
  return op.call(stored, format ? int64_t(format->gguf) : plain_weights, columns, begin, end, dtype);
}

}  // namespace ken::kernels
