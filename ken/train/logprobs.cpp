// Chunked cross-entropy: logits of a chunk of rows, softmax and gradient in place, products, next chunk.
#include "ken/train/logprobs.h"

#include "ken/base/error.h"
#include "ken/kernels/kernels.h"
#include "ken/nn/autograd.h"
#include "ken/nn/functions.h"

namespace ken::train {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::Function;
using torch::autograd::variable_list;

constexpr int64_t chunk_elements = 1 << 22;  // logits of a chunk: 8 MB in bf16, which the last-level cache holds

int64_t chunk_rows(int64_t vocab) { return std::max<int64_t>(64, chunk_elements / std::max<int64_t>(1, vocab)); }

// The tensors of the output matrix that may be trained, as stand-ins whose graph begins here.
struct Parts {
  nn::Matrix matrix;
  std::vector<Tensor*> tensors() { return {&matrix.data, &matrix.bias, &matrix.low_a, &matrix.low_b}; }
};

Parts stand_in(const nn::Matrix& output) {
  Parts parts{output};
  for (Tensor* x : parts.tensors())
    if (x->defined()) *x = x->detach().requires_grad_(x->requires_grad());
  return parts;
}

// An autograd function's input must be defined.
Tensor present(const Tensor& x) { return x.defined() ? x : at::empty({0}); }

// Gradients of sum(weights * nll): [0] for the hidden rows, then one for each of the matrix' tensors.
struct Sums {
  Tensor nll, hit;
  std::vector<Tensor> gradients;
};

void add_to(Tensor& sum, const Tensor& part) {
  if (part.defined()) sum = sum.defined() ? sum.add_(part) : part;
}

Sums differentiate(const Tensor& hidden, const nn::Matrix& output, double cap, const Tensor& targets,
                   const Tensor& weights, nn::Compute compute) {
  at::AutoGradMode with_gradients(true);
  Parts parts = stand_in(output);
  Sums sums{at::empty_like(weights), at::empty_like(weights), std::vector<Tensor>(5)};
  sums.gradients[0] = at::empty_like(hidden);
  const int64_t T = hidden.size(0), step = chunk_rows(output.out);
  for (int64_t begin = 0; begin < T; begin += step) {
    const int64_t n = std::min(step, T - begin);
    const Tensor rows = hidden.narrow(0, begin, n).detach().requires_grad_();
    std::vector<Tensor> inputs{rows};
    std::vector<size_t> slots{0};
    const auto tensors = parts.tensors();
    for (size_t i = 0; i < tensors.size(); ++i)
      if (tensors[i]->defined() && tensors[i]->requires_grad()) inputs.push_back(*tensors[i]), slots.push_back(i + 1);
    const Tensor logits = nn::capped(nn::linear(rows, parts.matrix, compute), cap);
    const Tensor gradient = logits.detach();  // the same memory: neither a product nor a cap needs its result again
    const auto [nll, hit] = kernels::cross_entropy_(gradient, targets.narrow(0, begin, n), weights.narrow(0, begin, n));
    const auto grads = torch::autograd::grad({logits}, inputs, {gradient});
    sums.gradients[0].narrow(0, begin, n).copy_(grads[0]);
    for (size_t i = 1; i < grads.size(); ++i) add_to(sums.gradients[slots[i]], grads[i]);
    sums.nll.narrow(0, begin, n).copy_(nll);
    sums.hit.narrow(0, begin, n).copy_(hit);
  }
  return sums;
}

struct NllFunction : Function<NllFunction> {
  static variable_list forward(AutogradContext* ctx, const Tensor& hidden, const Tensor&, const Tensor&, const Tensor&,
                               const Tensor&, const Tensor& targets, const Tensor& weights, const nn::Matrix* output,
                               double cap, int64_t compute) {
    Sums sums = differentiate(hidden, *output, cap, targets, weights, nn::Compute(compute));
    c10::List<c10::optional<Tensor>> list;
    for (const Tensor& g : sums.gradients) list.push_back(g.defined() ? c10::optional<Tensor>(g) : c10::nullopt);
    ctx->saved_data["gradients"] = c10::IValue(list);
    ctx->mark_non_differentiable({sums.nll, sums.hit});
    return {(sums.nll.to(at::kDouble) * weights).sum().to(at::kFloat), sums.nll, sums.hit};
  }
  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const auto list = ctx->saved_data["gradients"].to<c10::List<c10::optional<Tensor>>>();
    const float scale = grads[0].item<float>();
    variable_list result(10);
    for (size_t i = 0; i < list.size(); ++i) {
      const c10::optional<Tensor> g = list.get(i);
      if (g) result[i] = scale == 1.0f ? *g : *g * scale;
    }
    ctx->saved_data.clear();
    return result;
  }
};

struct LogprobFunction : Function<LogprobFunction> {
  static Tensor forward(AutogradContext* ctx, const Tensor& hidden, const Tensor&, const Tensor&, const Tensor&,
                        const Tensor&, const Tensor& targets, const nn::Matrix* output, double cap, int64_t compute) {
    ctx->save_for_backward({hidden, targets});
    ctx->saved_data["output"] = int64_t(reinterpret_cast<intptr_t>(output));
    ctx->saved_data["cap"] = cap;
    ctx->saved_data["compute"] = compute;
    Tensor result = at::empty({hidden.size(0)}, hidden.options().dtype(at::kFloat));
    const int64_t T = hidden.size(0), step = chunk_rows(output->out);
    for (int64_t begin = 0; begin < T; begin += step) {
      const int64_t n = std::min(step, T - begin);
      const Tensor logits = nn::capped(nn::linear(hidden.narrow(0, begin, n), *output, nn::Compute(compute)), cap);
      const Tensor none = at::zeros({n}, result.options());
      const auto [nll, hit] = kernels::cross_entropy_(logits, targets.narrow(0, begin, n), none);
      result.narrow(0, begin, n).copy_(-nll);
    }
    return result;
  }
  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const auto saved = ctx->get_saved_variables();
    const auto* output = reinterpret_cast<const nn::Matrix*>(intptr_t(ctx->saved_data["output"].toInt()));
    const Sums sums = differentiate(saved[0].detach(), *output, ctx->saved_data["cap"].toDouble(), saved[1],
                                    -grads[0].contiguous(), nn::Compute(ctx->saved_data["compute"].toInt()));
    variable_list result(9);
    for (size_t i = 0; i < sums.gradients.size(); ++i) result[i] = sums.gradients[i];
    return result;
  }
};

void check_inputs(const Tensor& hidden, const nn::Matrix& output, const Tensor& targets) {
  if (hidden.dim() != 2 || hidden.size(1) != output.in || targets.dim() != 1 || targets.size(0) != hidden.size(0)) {
    fail("train", "{} hidden rows do not fit {} targets and an output matrix of {} x {}", hidden.size(0),
         targets.numel(), output.out, output.in);
  }
}

}  // namespace

WeightedNll weighted_nll(const Tensor& hidden, const nn::Matrix& output, double cap, const Tensor& targets,
                         const Tensor& weights, nn::Compute compute) {
  check_inputs(hidden, output, targets);
  if (weights.numel() != targets.numel()) fail("train", "{} weights for {} targets", weights.numel(), targets.numel());
  const auto r = NllFunction::apply(hidden.contiguous(), output.data, present(output.bias), present(output.low_a),
                                    present(output.low_b), targets.contiguous(), weights.contiguous(), &output, cap,
                                    int64_t(compute));
  return {r[0], r[1], r[2]};
}

Tensor logprobs(const Tensor& hidden, const nn::Matrix& output, double cap, const Tensor& targets,
                nn::Compute compute) {
  check_inputs(hidden, output, targets);
  return LogprobFunction::apply(hidden.contiguous(), output.data, present(output.bias), present(output.low_a),
                                present(output.low_b), targets.contiguous(), &output, cap, int64_t(compute));
}

}  // namespace ken::train
