#include "ken/nn/matrix.h"

#include <mutex>

#include "ken/base/error.h"
#include "ken/base/files.h"
#include "ken/kernels/stored_tensor.h"
#include "ken/nn/autograd.h"
#include "ken/nn/cpu.h"
#include "ken/nn/functions.h"

namespace ken::nn {

// Panels and what they were made from: data that was replaced or written to since makes them stale.
struct PanelSlot {
  kernels::PanelWeights weights;
  c10::weak_intrusive_ptr<c10::TensorImpl> source;
  uint32_t version;
  bool of(const Tensor& data) const {
    return source.lock().get() == data.unsafeGetTensorImpl() && version == uint32_t(data._version());
  }
};

bool in_panels(const Matrix& w, Compute compute) {
  return compute == Compute::fast && !w.shadow.defined() && !w.data.requires_grad() &&
         kernels::has_panels(w.data, w.format, w.in);
}

namespace {

// Of a widened tile. Adding the products of many small ones up would take as long as the products.
constexpr int64_t tile_elements = 1 << 24;

int64_t tile_rows(int64_t in) { return std::max<int64_t>(16, tile_elements / std::max<int64_t>(1, in)); }

std::shared_ptr<const PanelSlot> panels_of(const Matrix& w) {
  static std::mutex mutex;  // two threads that share a model must not pack the same matrix
  const std::lock_guard lock(mutex);
  if (w.panels && w.panels->of(w.data)) return w.panels;
  w.panels.reset();  // stale ones go before new ones come
  w.panels = std::make_shared<const PanelSlot>(
      PanelSlot{kernels::make_panels(w.data, w.format, w.in),
                c10::weak_intrusive_ptr<c10::TensorImpl>(w.data.getIntrusivePtr()), uint32_t(w.data._version())});
  return w.panels;
}

// Rows [begin, end) of a stored matrix in another type.
Tensor tile_of(const Tensor& stored, const quant::Format* format, int64_t in, int64_t begin, int64_t end,
               at::ScalarType type) {
  if (stored.scalar_type() == at::kFloat) return stored.narrow(0, begin, end - begin).to(type);
  return kernels::widen(stored, format, in, begin, end, type);
}

// y[:, rows of the tile] for every tile: on other devices, and where there are no panels.
Tensor product_by_tiles(const Tensor& x, const Matrix& w, at::ScalarType type) {
  Tensor y = at::empty({x.size(0), w.out}, x.options().dtype(type));
  for (int64_t begin = 0, step = tile_rows(w.in); begin < w.out; begin += step) {
    const int64_t end = std::min(w.out, begin + step);
    const Tensor tile = tile_of(w.data, w.format, w.in, begin, end, x.scalar_type());
    y.narrow(1, begin, end - begin).copy_(matrix_product(x, tile.t()));
  }
  return y;
}

// A product with a matrix that gets no gradient.
Tensor frozen_product(const Tensor& x, const Matrix& w, at::ScalarType type) {
  const auto compute = x.scalar_type() == at::kFloat ? Compute::f32 : Compute::fast;
  if (in_panels(w, compute)) return kernels::panel_linear(x, {&panels_of(w)->weights}, type)[0];
  if (compute == Compute::f32 && w.data.is_cpu()) return kernels::linear_f32(x, w.data, w.format);
  return product_by_tiles(x, w, type);
}

// dy W, the tiles widened again; in the type of dy.
Tensor input_gradient(const Tensor& dy, const Tensor& stored, const quant::Format* format, int64_t in) {
  const int64_t out = dy.size(1), step = tile_rows(in);
  Tensor dx;
  for (int64_t begin = 0; begin < out; begin += step) {
    const int64_t end = std::min(out, begin + step);
    const Tensor tile = tile_of(stored, format, in, begin, end, dy.scalar_type());
    const Tensor part = matrix_product(dy.narrow(1, begin, end - begin), tile);
    dx = begin > 0 ? dx.add_(part) : end == out ? part : part.to(at::kFloat);
  }
  forget_pages(stored.data_ptr(), stored.nbytes());  // the panels are enough for the next pass
  return dx.to(dy.scalar_type());
}

// A frozen stored matrix: the gradient goes to the input only.
struct FrozenProduct : torch::autograd::Function<FrozenProduct> {
  static Tensor forward(torch::autograd::AutogradContext* ctx, const Tensor& x, const Matrix* w, int64_t type) {
    ctx->save_for_backward({w->data});
    ctx->saved_data["in"] = w->in;
    ctx->saved_data["type"] = kernels::type_of(w->format);
    return frozen_product(x, *w, at::ScalarType(type));
  }
  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* ctx,
                                                 torch::autograd::variable_list grads) {
    const Tensor dx =
        input_gradient(grads[0], ctx->get_saved_variables()[0], kernels::format_of(ctx->saved_data["type"].toInt()),
                       ctx->saved_data["in"].toInt());
    return {dx, Tensor(), Tensor()};
  }
};

// A trained f32 master with its bf16 shadow: all three products run in bf16, the weight's gradient is kept in f32.
struct ShadowProduct : torch::autograd::Function<ShadowProduct> {
  static Tensor forward(torch::autograd::AutogradContext* ctx, const Tensor& x, const Tensor& master,
                        const Tensor& shadow) {
    ctx->save_for_backward({x, shadow});
    (void)master;
    return matrix_product(x, shadow.t());
  }
  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* ctx,
                                                 torch::autograd::variable_list grads) {
    const auto saved = ctx->get_saved_variables();
    const Tensor dy = grads[0].contiguous();
    return {matrix_product(dy, saved[1]), matrix_product(dy.t(), saved[0]).to(at::kFloat), Tensor()};
  }
};

// A matrix that is trained: torch's own products, through which gradients reach the weight.
Tensor trained_product(const Tensor& x, const Matrix& w, Compute compute) {
  if (compute == Compute::fast && w.shadow.defined())
    return w.data.requires_grad() ? ShadowProduct::apply(x, w.data, w.shadow) : matrix_product(x, w.shadow.t());
  return matrix_product(x, w.data.to(x.scalar_type()).t());
}

// Without bias and overlay; the result in `type`.
Tensor product(const Tensor& x, const Matrix& w, Compute compute, at::ScalarType type) {
  if (w.data.requires_grad() || (compute == Compute::fast && w.shadow.defined()))
    return trained_product(x, w, compute).to(type);
  return wants_gradient(x) ? FrozenProduct::apply(x, &w, int64_t(type)) : frozen_product(x, w, type);
}

// (x A^T) B^T in f32, A [r, in] and B [out, r]. For the gradients x is kept as it came, not widened, and x A^T.
struct LowRankProduct : torch::autograd::Function<LowRankProduct> {
  static Tensor forward(torch::autograd::AutogradContext* ctx, const Tensor& x, const Tensor& a, const Tensor& b) {
    const Tensor inner = at::linear(x.to(at::kFloat), a);  // [T, r]
    ctx->save_for_backward({x, a, b, inner});
    return at::linear(inner, b);
  }
  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* ctx,
                                                 torch::autograd::variable_list grads) {
    const auto saved = ctx->get_saved_variables();
    const Tensor &x = saved[0], &a = saved[1], &b = saved[2], dy = grads[0].to(at::kFloat);
    const Tensor dinner = at::mm(dy, b);  // [T, r]
    const Tensor da = a.requires_grad() ? at::mm(dinner.t(), x.to(at::kFloat)) : Tensor();
    const Tensor db = b.requires_grad() ? at::mm(dy.t(), saved[3]) : Tensor();
    return {x.requires_grad() ? at::mm(dinner, a).to(x.scalar_type()) : Tensor(), da, db};
  }
};

// Bias and overlay of a product.
Tensor completed(Tensor y, const Tensor& input, const Matrix& w) {
  if (w.bias.defined()) y = (y + w.bias).to(y.scalar_type());
  if (w.low_a.defined()) y.add_(LowRankProduct::apply(input, w.low_a, w.low_b));
  return y;
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
  return completed(product(input, w, compute, input.scalar_type()), input, w);
}

Tensor linear_f32(const Tensor& x, const Matrix& w, Compute compute) {
  const Tensor input = x.to(activation_type(compute));
  return completed(product(input, w, compute, at::kFloat), input, w);
}

std::vector<Tensor> linear_all(const Tensor& x, std::initializer_list<const Matrix*> matrices, Compute compute) {
  const Tensor input = x.to(activation_type(compute));
  std::vector<Tensor> results;
  std::vector<std::shared_ptr<const PanelSlot>> slots;
  std::vector<const kernels::PanelWeights*> panels;
  for (const Matrix* w : matrices) {
    if (wants_gradient(input) || !in_panels(*w, compute)) break;
    slots.push_back(panels_of(*w));
    panels.push_back(&slots.back()->weights);
  }
  if (panels.size() == matrices.size()) results = kernels::panel_linear(input, panels, input.scalar_type());
  size_t i = 0;
  for (const Matrix* w : matrices) {
    if (i == results.size()) results.push_back(product(input, *w, compute, input.scalar_type()));
    results[i] = completed(results[i], input, *w);
    ++i;
  }
  return results;
}

Tensor swiglu_of(const Tensor& x, const Matrix& gate, const Matrix& up, Compute compute) {
  const Tensor input = x.to(activation_type(compute));
  const auto alone = [&](const Matrix& w) {
    return in_panels(w, compute) && !w.bias.defined() && !w.low_a.defined() && !wants_gradient(input);
  };
  if (alone(gate) && alone(up) && gate.out == up.out)
    return kernels::panel_swiglu(input, panels_of(gate)->weights, panels_of(up)->weights, input.scalar_type());
  const auto both = linear_all(input, {&gate, &up}, compute);
  return swiglu(both[0], both[1]);
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
