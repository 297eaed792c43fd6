#include "ken/nn/matrix.h"

#include "ken/base/error.h"
#include "ken/kernels/kernels.h"

namespace ken::nn {
namespace {

constexpr int64_t tile_elements = 1 << 19;  // 2 MB of f32: a widened tile stays in the second-level cache

int64_t tile_rows(const Matrix& w) { return std::max<int64_t>(16, tile_elements / std::max<int64_t>(1, w.in)); }

// y[:, rows of the tile] for every tile, in the type of x.
Tensor product_by_tiles(const Tensor& x, const Tensor& stored, const quant::Format* format, int64_t out, int64_t in,
                        int64_t step) {
  Tensor y = at::empty({x.size(0), out}, x.options());
  for (int64_t begin = 0; begin < out; begin += step) {
    const int64_t end = std::min(out, begin + step);
    const Tensor tile = kernels::widen(stored, format, in, begin, end, x.scalar_type());
    y.narrow(1, begin, end - begin).copy_(at::mm(x, tile.t()));
  }
  return y;
}

// A frozen stored matrix: the gradient goes to the input only, and the tiles are widened again.
struct FrozenProduct : torch::autograd::Function<FrozenProduct> {
  static Tensor forward(torch::autograd::AutogradContext* ctx, const Tensor& x, const Tensor& stored,
                        const quant::Format* format, int64_t out, int64_t in, int64_t step) {
    ctx->save_for_backward({stored});
    ctx->saved_data["shape"] = std::vector<int64_t>{out, in, step, format ? int64_t(format->gguf) : -1};
    return product_by_tiles(x, stored, format, out, in, step);
  }
  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* ctx,
                                                 torch::autograd::variable_list grads) {
    const auto shape = ctx->saved_data["shape"].toIntVector();
    const Tensor stored = ctx->get_saved_variables()[0], dy = grads[0];
    const quant::Format* format = shape[3] < 0 ? nullptr : quant::find_format(uint32_t(shape[3]));
    Tensor dx = at::zeros({dy.size(0), shape[1]}, dy.options().dtype(at::kFloat));
    for (int64_t begin = 0; begin < shape[0]; begin += shape[2]) {
      const int64_t end = std::min(shape[0], begin + shape[2]);
      const Tensor tile = kernels::widen(stored, format, shape[1], begin, end, dy.scalar_type());
      dx += at::mm(dy.narrow(1, begin, end - begin), tile);
    }
    return {dx.to(dy.scalar_type()), Tensor(), Tensor(), Tensor(), Tensor(), Tensor()};
  }
};

// A trained f32 master with its bf16 shadow: all three products run in bf16, the weight's gradient is kept in f32.
struct ShadowProduct : torch::autograd::Function<ShadowProduct> {
  static Tensor forward(torch::autograd::AutogradContext* ctx, const Tensor& x, const Tensor& master,
                        const Tensor& shadow) {
    ctx->save_for_backward({x, shadow});
    (void)master;
    return at::linear(x, shadow);
  }
  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* ctx,
                                                 torch::autograd::variable_list grads) {
    const auto saved = ctx->get_saved_variables();
    const Tensor dy = grads[0].contiguous();
    return {at::mm(dy, saved[1]), at::mm(dy.t(), saved[0]).to(at::kFloat), Tensor()};
  }
};

Tensor product(const Tensor& x, const Matrix& w, Compute compute) {
  const bool f32_stored = w.data.scalar_type() == at::kFloat;
  if (compute == Compute::f32 && f32_stored) return at::linear(x, w.data);
  if (compute == Compute::fast && w.shadow.defined()) {
    return w.data.requires_grad() ? ShadowProduct::apply(x, w.data, w.shadow) : at::linear(x, w.shadow);
  }
  if (compute == Compute::fast && f32_stored) return at::linear(x, w.data.to(at::kBFloat16));
  if (compute == Compute::fast && w.data.scalar_type() == at::kBFloat16) return at::linear(x, w.data);
  if (x.requires_grad() && at::GradMode::is_enabled())
    return FrozenProduct::apply(x, w.data, w.format, w.out, w.in, tile_rows(w));
  return product_by_tiles(x, w.data, w.format, w.out, w.in, tile_rows(w));
}

}  // namespace

std::string compute_name(Compute compute) { return compute == Compute::f32 ? "f32" : "fast"; }

Compute compute_from(const std::string& name) {
  if (name == "f32") return Compute::f32;
  if (name == "fast") return Compute::fast;
  fail_usage("compute", "{}", unknown_name("arithmetic", name, {"f32", "fast"}));
}

Tensor linear(const Tensor& x, const Matrix& w, Compute compute) {
  const Tensor input = x.to(activation_type(compute));
  Tensor y = product(input, w, compute);
  if (w.bias.defined()) y = (y + w.bias).to(y.scalar_type());
  if (w.low_a.defined()) {
    const Tensor low = at::linear(at::linear(input.to(at::kFloat), w.low_a), w.low_b);
    y = (y + low).to(y.scalar_type());
  }
  return y;
}

Tensor rows_of(const Matrix& w, const Tensor& ids) {
  if (w.data.scalar_type() == at::kFloat) return at::embedding(w.data, ids);
  const Tensor stored = w.data.index_select(0, ids);
  return w.format ? kernels::widen(stored, w.format, w.in, 0, ids.size(0), at::kFloat) : stored.to(at::kFloat);
}

Tensor dense(const Matrix& w) {
  return w.data.scalar_type() == at::kFloat ? w.data : kernels::widen(w.data, w.format, w.in, 0, w.out, at::kFloat);
}

}  // namespace ken::nn
