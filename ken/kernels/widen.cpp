// Stored weights widened a tile of rows at a time, by the scalar code of their format, to f32 or bf16.
#include "ken/kernels/dispatch.h"
#include "ken/kernels/kernels.h"
#include "ken/kernels/stored_tensor.h"

namespace ken::kernels {
namespace {

Tensor widen_cpu(const Tensor& stored, int64_t type, int64_t columns, int64_t begin, int64_t end,
                 at::ScalarType dtype) {
  const StoredMatrix from = stored_matrix(stored, format_of(type), columns);
  Tensor out = fresh({end - begin, columns}, dtype);
  const int64_t grain = std::max<int64_t>(1, 16384 / std::max<int64_t>(1, columns));
  with_data(out, [&](auto* data) {
    at::parallel_for(begin, end, grain, [&](int64_t first, int64_t last) {
      for (int64_t r = first; r < last; ++r) widen_row(from, r, data + (r - begin) * columns);
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
  return op.call(stored, type_of(format), columns, begin, end, dtype);
}

}  // namespace ken::kernels
