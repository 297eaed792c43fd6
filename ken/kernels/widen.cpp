// Stored weights widened a tile of rows at a time: f16, bf16 and Q8_0 to f32 or bf16.
#include "ken/kernels/dispatch.h"
#include "ken/kernels/kernels.h"
#include "ken/kernels/simd.h"

namespace ken::kernels {
namespace {

template <typename Out>
void widen_rows(const Tensor& stored, int64_t columns, int64_t begin, int64_t end, Out* out) {
  at::parallel_for(
      begin, end, std::max<int64_t>(1, 16384 / std::max<int64_t>(1, columns)), [&](int64_t from, int64_t to) {
        std::vector<float> row(static_cast<size_t>(columns));
        for (int64_t r = from; r < to; ++r) {
          Out* target = out + (r - begin) * columns;
          if (stored.scalar_type() == at::kByte) {
            quant::q8_0_dequantize(stored.data_ptr<uint8_t>() + r * stored.size(1), row.data(), columns);
          } else if (is_bf16(stored)) {
            const uint16_t* source = bf16_data(stored) + r * columns;
            for (int64_t i = 0; i < columns; ++i) row[size_t(i)] = load(source[i]);
          } else {
            const auto* source = reinterpret_cast<const uint16_t*>(stored.data_ptr<at::Half>()) + r * columns;
            for (int64_t i = 0; i < columns; ++i) row[size_t(i)] = quant::f16_to_f32(source[i]);
          }
          for (int64_t i = 0; i < columns; ++i) store(target[i], row[size_t(i)]);
        }
      });
}

Tensor widen_cpu(const Tensor& stored, int64_t columns, int64_t begin, int64_t end, at::ScalarType dtype) {
  Tensor out = at::empty({end - begin, columns}, stored.options().dtype(dtype));
  with_data(out, [&](auto* data) { widen_rows(stored, columns, begin, end, data); });
  return out;
}

}  // namespace

TORCH_LIBRARY_FRAGMENT(ken, m) {
  m.def("widen(Tensor stored, int columns, int begin, int end, ScalarType dtype) -> Tensor");
}
TORCH_LIBRARY_IMPL(ken, CPU, m) { m.impl("widen", widen_cpu); }

Tensor widen(const Tensor& stored, int64_t columns, int64_t begin, int64_t end, at::ScalarType dtype) {
  static const auto op = operation<Tensor(const Tensor&, int64_t, int64_t, int64_t, at::ScalarType)>("ken::widen");
  return op.call(stored, columns, begin, end, dtype);
}

}  // namespace ken::kernels
