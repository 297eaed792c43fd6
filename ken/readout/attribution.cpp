// The points of a line are the sequences of one packed pass, and its gradient is one backward pass.
#include "ken/readout/attribution.h"

#include "ken/base/error.h"
#include "ken/model/partial.h"

namespace ken::readout {
namespace {

// {sum of gradients over the points, values}: in passes of `at_once` points.
struct Points {
  Tensor gradients, values;
};
Points gradients_at(const Scalar& f, const Tensor& points, int64_t at_once) {
  const at::AutoGradMode gradients(true);
  Points result{at::zeros(points.sizes().slice(1), points.options()), {}};
  std::vector<Tensor> values;
  for (int64_t first = 0; first < points.size(0); first += at_once) {
    const Tensor some =
        points.narrow(0, first, std::min(at_once, points.size(0) - first)).detach().clone().requires_grad_(true);
    const Tensor value = f(some);
    value.sum().backward();
    if (!some.grad().defined()) fail("attribution", "the scalar does not depend on what it is attributed to");
    result.gradients += some.grad().sum(0);
    values.push_back(value.detach());
  }
  result.values = at::cat(values);
  return result;
}

void check_path(const Tensor& x, const Tensor& baseline) {
  if (x.sizes() != baseline.sizes())
    fail("attribution", "the baseline's shape is another one than that of what is attributed to; they must be equal");
}

double value_of(const Scalar& f, const Tensor& x) {
  const at::NoGradGuard no_gradients;
  return f(x.unsqueeze(0))[0].item<double>();
}

std::vector<model::Row> copies(const std::vector<int32_t>& tokens, int64_t n) {
  return std::vector<model::Row>(size_t(n), model::Row{tokens});
}

void check_shape(const Tensor& points, const std::vector<int32_t>& tokens, int64_t width) {
  if (points.dim() != 3 || points.size(1) != int64_t(tokens.size()) || points.size(2) != width)
    fail("attribution", "points of a prompt of {} tokens must be [m, {}, {}]", tokens.size(), tokens.size(), width);
}

}  // namespace

double Attribution::gap() const {
  const double moved = to - from;
  return std::abs(scores.sum().item<double>() - moved) / std::max(std::abs(moved), 1e-12);
}

Attribution integrated_gradients(const Scalar& f, const Tensor& x, const Tensor& baseline,
                                 const IntegrationOptions& options) {
  check_path(x, baseline);
  if (options.steps < 1 || options.at_once < 1)
    fail_usage("attribution", "{} steps, {} at once; give at least 1 of each", options.steps, options.at_once);
  Attribution result{{}, value_of(f, baseline), value_of(f, x), options.steps};
  for (;; result.steps *= 2) {
    const Tensor share = (at::arange(result.steps, x.options()) + 0.5) / double(result.steps);
    std::vector<int64_t> shape(size_t(x.dim()) + 1, 1);
    shape[0] = result.steps;
    const Tensor points = baseline + share.view(shape) * (x - baseline);
    result.scores = (x - baseline) * gradients_at(f, points, options.at_once).gradients / double(result.steps);
    if (result.gap() <= options.gap || result.steps * 2 > options.most_steps) return result;
  }
}

Attribution gradient_times_input(const Scalar& f, const Tensor& x, const Tensor& baseline) {
  check_path(x, baseline);
  const Points at_x = gradients_at(f, x.unsqueeze(0), 1);
  return {(x - baseline) * at_x.gradients, value_of(f, baseline), at_x.values[0].item<double>(), 1};
}

Tensor contrast(const Tensor& logits, const Contrast& answer) {
  if (answer.other >= 0) return logits.select(1, answer.wanted) - logits.select(1, answer.other);
  return at::log_softmax(logits, 1).select(1, answer.wanted);
}

Scalar of_layer(const model::Model& model, const std::vector<int32_t>& tokens, int64_t layer, const Contrast& answer,
                nn::Compute compute) {
  return [&model, tokens, layer, answer, compute](const Tensor& points) {
    check_shape(points, tokens, model.config.d_model);
    const model::Start start{layer, points.reshape({-1, model.config.d_model})};
    const auto batch = model::pack(copies(tokens, points.size(0)), model.config.vocab);
    return contrast(model::forward(model, batch, {.compute = compute}, &start).logits, answer);
  };
}

Tensor embeddings(const model::Model& model, const std::vector<int32_t>& tokens) {
  const at::NoGradGuard no_gradients;
  const std::vector<int64_t> ids(tokens.begin(), tokens.end());
  const Tensor rows = nn::rows_of(model.embed, at::tensor(at::ArrayRef<int64_t>(ids), at::kLong).to(model.device));
  return rows.to(at::kFloat) * model.config.embed_scale;
}

Tensor position_embeddings(const model::Model& model, int64_t tokens) {
  const at::NoGradGuard no_gradients;
  if (!model.config.learned_positions) return at::zeros({tokens, model.config.d_model}, model.device);
  return nn::rows_of(model.pos_embed, at::arange(tokens, at::TensorOptions(at::kLong).device(model.device)));
}

Tensor mean_embedding(const model::Model& model) {
  const at::NoGradGuard no_gradients;
  constexpr int64_t block = 4096;
  Tensor sum = at::zeros({model.config.d_model}, at::TensorOptions(at::kDouble).device(model.device));
  for (int64_t first = 0; first < model.config.vocab; first += block) {
    const Tensor ids = at::arange(first, std::min(model.config.vocab, first + block),
                                  at::TensorOptions(at::kLong).device(model.device));
    sum += nn::rows_of(model.embed, ids).to(at::kDouble).sum(0);
  }
  return (sum / double(model.config.vocab) * model.config.embed_scale).to(at::kFloat);
}

}  // namespace ken::readout
