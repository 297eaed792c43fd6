#include "ken/nn/functions.h"

#include "ken/nn/autograd.h"

namespace ken::nn {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::Function;
using torch::autograd::variable_list;

struct NormFunction : Function<NormFunction> {
  static Tensor forward(AutogradContext* ctx, const Tensor& x, const Tensor& weight, double eps, int64_t dtype) {
    const auto [y, rstd] = kernels::rms_norm(x, weight, eps, at::ScalarType(dtype));
    ctx->save_for_backward({x, weight, rstd});
    return y;
  }
  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const auto s = ctx->get_saved_variables();
    const auto [dx, dw] = kernels::rms_norm_backward(grads[0], s[0], s[1], s[2], c10::nullopt);
    return {dx, dw, Tensor(), Tensor()};
  }
};

struct AddNormFunction : Function<AddNormFunction> {
  static variable_list forward(AutogradContext* ctx, const Tensor& x, const Tensor& delta, const Tensor& weight,
                               double eps, int64_t dtype) {
    const auto [sum, y, rstd] = kernels::add_rms_norm(x, delta, weight, eps, at::ScalarType(dtype));
    ctx->save_for_backward({sum, weight, rstd});
    ctx->saved_data["type"] = int64_t(delta.scalar_type());
    return {sum, y};
  }
  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const auto s = ctx->get_saved_variables();
    const auto type = at::ScalarType(ctx->saved_data["type"].toInt());
    const c10::optional<Tensor> carry = grads[0].defined() ? c10::optional<Tensor>(grads[0]) : c10::nullopt;
    if (!grads[1].defined()) return {grads[0], grads[0].to(type), Tensor(), Tensor(), Tensor()};
    const auto [dx, dw] = kernels::rms_norm_backward(grads[1], s[0], s[1], s[2], carry);
    return {dx, dx.to(type), dw, Tensor(), Tensor()};
  }
};

struct RopeFunction : Function<RopeFunction> {
  static Tensor forward(AutogradContext* ctx, const Tensor& x, const Tensor& angles, bool interleaved) {
    ctx->save_for_backward({angles});
    ctx->saved_data["interleaved"] = interleaved;
    return kernels::rope(x, angles, interleaved, 1);
  }
  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const Tensor angles = ctx->get_saved_variables()[0];
    return {kernels::rope(grads[0], angles, ctx->saved_data["interleaved"].toBool(), -1), Tensor(), Tensor()};
  }
};

struct SwigluFunction : Function<SwigluFunction> {
  static Tensor forward(AutogradContext* ctx, const Tensor& gate, const Tensor& up) {
    ctx->save_for_backward({gate, up});
    return kernels::swiglu(gate, up);
  }
  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const auto s = ctx->get_saved_variables();
    const auto [dgate, dup] = kernels::swiglu_backward(grads[0], s[0].contiguous(), s[1].contiguous());
    return {dgate, dup};
  }
};

struct AttentionFunction : Function<AttentionFunction> {
  static Tensor forward(AutogradContext* ctx, const Tensor& q, const Tensor& k, const Tensor& v, const Tensor& offsets,
                        double scale, int64_t window, double cap) {
    const Tensor qc = q.contiguous(), kc = k.contiguous(), vc = v.contiguous();
    const auto [z, lse] = kernels::attention(qc, kc, vc, offsets, {scale, window, cap});
    ctx->save_for_backward({qc, kc, vc, z, lse, offsets});
    ctx->saved_data["scale"] = scale;
    ctx->saved_data["window"] = window;
    ctx->saved_data["cap"] = cap;
    return z;
  }
  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const auto s = ctx->get_saved_variables();
    const auto [dq, dk, dv] = kernels::attention_backward(
        grads[0], s[0], s[1], s[2], s[3], s[4], s[5],
        {ctx->saved_data["scale"].toDouble(), ctx->saved_data["window"].toInt(), ctx->saved_data["cap"].toDouble()});
    return {dq, dk, dv, Tensor(), Tensor(), Tensor(), Tensor()};
  }
};

}  // namespace

Tensor rms_norm(const Tensor& x, const Tensor& weight, double eps, at::ScalarType dtype) {
  if (wants_gradient(x, weight)) return NormFunction::apply(x.contiguous(), weight, eps, int64_t(dtype));
  return std::get<0>(kernels::rms_norm(x, weight, eps, dtype));
}

std::pair<Tensor, Tensor> add_rms_norm(const Tensor& x, const Tensor& delta, const Tensor& weight, double eps,
                                       at::ScalarType dtype) {
  if (wants_gradient(x, delta, weight)) {
    const auto both = AddNormFunction::apply(x, delta, weight, eps, int64_t(dtype));
    return {both[0], both[1]};
  }
  auto [sum, y, rstd] = kernels::add_rms_norm(x, delta, weight, eps, dtype);
  return {sum, y};
}

Tensor layer_norm(const Tensor& x, const Tensor& weight, const Tensor& bias, double eps, at::ScalarType dtype) {
  return at::layer_norm(x, {x.size(-1)}, weight, bias, eps).to(dtype);
}

Tensor rope(const Tensor& x, const Tensor& angles, bool interleaved) {
  return wants_gradient(x) ? RopeFunction::apply(x, angles, interleaved) : kernels::rope(x, angles, interleaved, 1);
}

Tensor swiglu(const Tensor& gate, const Tensor& up) {
  return wants_gradient(gate, up) ? SwigluFunction::apply(gate, up) : kernels::swiglu(gate, up);
}

Tensor capped(const Tensor& logits, double cap) {
  return cap > 0 ? (logits.to(at::kFloat) / cap).tanh() * cap : logits;
}

Tensor attention(const Tensor& q, const Tensor& k, const Tensor& v, const Tensor& offsets, const kernels::Scores& how) {
  if (wants_gradient(q, k, v)) return AttentionFunction::apply(q, k, v, offsets, how.scale, how.window, how.cap);
  return std::get<0>(kernels::attention(q, k, v, offsets, how));
}

}  // namespace ken::nn
