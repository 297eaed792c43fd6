// The updates are single passes over memory; only Newton-Schulz multiplies, for all matrices of one shape together.
#include "ken/train/optimizer.h"

#include "ken/base/error.h"
#include "ken/kernels/dispatch.h"
#include "ken/kernels/matrix_product.h"
#include "ken/kernels/simd.h"

namespace ken::train {
namespace {

using kernels::bf16;
constexpr int64_t chunk = 1 << 14;

struct AdamRates {
  float lr, decay, scale, beta1, beta2, rest1, rest2, epsilon;
};

KEN_CLONES void adam_span(float* p, bf16* shadow, const float* g, float* m, float* v, int64_t n, const AdamRates& r) {
#pragma omp simd
  for (int64_t i = 0; i < n; ++i) {
    const float gi = g[i] * r.scale;
    m[i] = r.beta1 * m[i] + (1 - r.beta1) * gi;
    v[i] = r.beta2 * v[i] + (1 - r.beta2) * gi * gi;
    p[i] = p[i] * r.decay - r.lr * (m[i] * r.rest1) / (std::sqrt(v[i] * r.rest2) + r.epsilon);
  }
  if (!shadow) return;
#pragma omp simd
  for (int64_t i = 0; i < n; ++i) kernels::store(shadow[i], p[i]);
}

// Nesterov: momentum = mu * momentum + g, to = g + mu * momentum. Returns the sum of squares of `to`.
KEN_CLONES float momentum_span(const float* g, float* momentum, float* to, int64_t n, float mu, float scale) {
  float squares = 0;
#pragma omp simd reduction(+ : squares)
  for (int64_t i = 0; i < n; ++i) {
    const float gi = g[i] * scale;
    momentum[i] = mu * momentum[i] + gi;
    to[i] = gi + mu * momentum[i];
    squares += to[i] * to[i];
  }
  return squares;
}

KEN_CLONES void muon_span(float* p, bf16* shadow, const bf16* direction, int64_t n, float lr, float decay) {
#pragma omp simd
  for (int64_t i = 0; i < n; ++i) p[i] = p[i] * decay - lr * kernels::load(direction[i]);
  if (!shadow) return;
#pragma omp simd
  for (int64_t i = 0; i < n; ++i) kernels::store(shadow[i], p[i]);
}

KEN_CLONES void narrow_span(const float* x, bf16* y, int64_t n, float factor) {
#pragma omp simd
  for (int64_t i = 0; i < n; ++i) kernels::store(y[i], x[i] * factor);
}

KEN_CLONES float squares_span(const float* x, int64_t n) {
  float sum = 0;
#pragma omp simd reduction(+ : sum)
  for (int64_t i = 0; i < n; ++i) sum += x[i] * x[i];
  return sum;
}

// fn(begin, end, chunk's number) for every fixed chunk of n elements.
template <typename Fn>
void for_chunks(int64_t n, Fn fn) {
  const int64_t chunks = (n + chunk - 1) / chunk;
  at::parallel_for(0, chunks, 1, [&](int64_t from, int64_t to) {
    for (int64_t c = from; c < to; ++c) fn(c * chunk, std::min(n, (c + 1) * chunk), c);
  });
}

template <typename Fn>
double sum_chunks(int64_t n, Fn fn) {
  std::vector<float> parts(static_cast<size_t>((n + chunk - 1) / chunk));
  for_chunks(n, [&](int64_t b, int64_t e, int64_t c) { parts[size_t(c)] = fn(b, e); });
  double sum = 0;
  for (float part : parts) sum += part;
  return sum;
}

bf16* shadow_of(const Parameter& p) {
  return p.matrix && p.matrix->shadow.defined() ? kernels::bf16_data(p.matrix->shadow) : nullptr;
}
template <typename T>
T* shifted(T* data, int64_t by) {
  return data ? data + by : nullptr;
}

// A contiguous f32 gradient; a parameter that the loss did not reach has none.
Tensor gradient_of(const Parameter& p) { return p.value.grad().defined() ? p.value.grad().contiguous() : Tensor(); }

class AdamW final : public Optimizer {
 public:
  AdamW(const OptimizerOptions& options, std::vector<Parameter> parameters)
      : options_(options), parameters_(std::move(parameters)) {
    for (const Parameter& p : parameters_)
      m_.push_back(at::zeros_like(p.value.detach())), v_.push_back(at::zeros_like(p.value.detach()));
  }

  void step(double factor, double scale) override {
    ++steps;
    for (size_t i = 0; i < parameters_.size(); ++i) update(i, factor, scale);
  }

  std::map<std::string, Tensor> state() const override {
    std::map<std::string, Tensor> result;
    for (size_t i = 0; i < parameters_.size(); ++i)
      result["adam.m." + parameters_[i].name] = m_[i], result["adam.v." + parameters_[i].name] = v_[i];
    return result;
  }

 private:
  void update(size_t i, double factor, double scale) {
    const Parameter& p = parameters_[i];
    const Tensor gradient = gradient_of(p);
    if (!gradient.defined()) return;
    const double lr = factor * (p.kind == Parameter::Kind::hidden ? options_.lr : options_.table_lr);
    const double decay = p.kind == Parameter::Kind::gain ? 0 : options_.weight_decay;
    const AdamRates rates{float(lr),
                          float(1 - lr * decay),
                          float(scale),
                          float(options_.beta1),
                          float(options_.beta2),
                          float(1 / (1 - std::pow(options_.beta1, double(steps)))),
                          float(1 / (1 - std::pow(options_.beta2, double(steps)))),
                          float(options_.epsilon)};
    float *value = p.value.data_ptr<float>(), *m = m_[i].data_ptr<float>(), *v = v_[i].data_ptr<float>();
    const float* g = gradient.data_ptr<float>();
    for_chunks(p.value.numel(), [&](int64_t b, int64_t e, int64_t) {
      adam_span(value + b, shifted(shadow_of(p), b), g + b, m + b, v + b, e - b, rates);
    });
  }

  OptimizerOptions options_;
  std::vector<Parameter> parameters_;
  std::vector<Tensor> m_, v_;
};

// Muon for hidden matrices, AdamW for the rest.
class Muon final : public Optimizer {
 public:
  Muon(const OptimizerOptions& options, std::vector<Parameter> parameters)
      : options_(options), rest_(options, others(parameters)) {
    for (Parameter& p : parameters) {
      if (!orthogonal(p)) continue;
      momentum_.push_back(at::zeros_like(p.value.detach()));
      const auto shape = std::make_pair(p.value.size(0), p.value.size(1));
      groups_[shape].push_back(matrices_.size());
      matrices_.push_back(std::move(p));
    }
  }

  void step(double factor, double scale) override {
    ++steps;
    for (const auto& [shape, members] : groups_) update(shape.first, shape.second, members, factor, scale);
    rest_.steps = steps - 1;
    rest_.step(factor, scale);
  }

  std::map<std::string, Tensor> state() const override {
    std::map<std::string, Tensor> result = rest_.state();
    for (size_t i = 0; i < matrices_.size(); ++i) result["muon." + matrices_[i].name] = momentum_[i];
    return result;
  }

 private:
  static bool orthogonal(const Parameter& p) { return p.kind == Parameter::Kind::hidden && p.value.dim() == 2; }
  static std::vector<Parameter> others(const std::vector<Parameter>& all) {
    std::vector<Parameter> result;
    for (const Parameter& p : all)
      if (!orthogonal(p)) result.push_back(p);
    return result;
  }

  // Momentum of one matrix, normalised, into its place of the stack.
  void gather(const Parameter& p, Tensor& momentum, bf16* to, double scale) {
    const Tensor gradient = gradient_of(p);
    const int64_t n = p.value.numel();
    const Tensor direction = at::empty({n}, at::kFloat);
    const float* g = gradient.data_ptr<float>();
    float *m = momentum.data_ptr<float>(), *d = direction.data_ptr<float>();
    const double squares = sum_chunks(n, [&](int64_t b, int64_t e) {
      return momentum_span(g + b, m + b, d + b, e - b, float(options_.momentum), float(scale));
    });
    const float factor = float(1 / (std::sqrt(squares) + 1e-7));
    for_chunks(n, [&](int64_t b, int64_t e, int64_t) { narrow_span(d + b, to + b, e - b, factor); });
  }

  void update(int64_t rows, int64_t cols, const std::vector<size_t>& members, double factor, double scale) {
    std::vector<size_t> reached;
    for (size_t i : members)
      if (matrices_[i].value.grad().defined()) reached.push_back(i);
    if (reached.empty()) return;
    Tensor stack = at::empty({int64_t(reached.size()), rows, cols}, at::kBFloat16);
    for (size_t k = 0; k < reached.size(); ++k)
      gather(matrices_[reached[k]], momentum_[reached[k]], kernels::bf16_data(stack) + int64_t(k) * rows * cols, scale);
    stack = newton_schulz(stack, options_.newton_schulz).contiguous();
    const double lr = options_.lr * factor, size = std::sqrt(std::max(1.0, double(rows) / double(cols)));
    for (size_t k = 0; k < reached.size(); ++k) {
      const Parameter& p = matrices_[reached[k]];
      const bf16* direction = kernels::bf16_data(stack) + int64_t(k) * rows * cols;
      for_chunks(rows * cols, [&](int64_t b, int64_t e, int64_t) {
        muon_span(p.value.data_ptr<float>() + b, shifted(shadow_of(p), b), direction + b, e - b, float(lr * size),
                  float(1 - lr * options_.weight_decay));
      });
    }
  }

  OptimizerOptions options_;
  AdamW rest_;
  std::vector<Parameter> matrices_;
  std::vector<Tensor> momentum_;
  std::map<std::pair<int64_t, int64_t>, std::vector<size_t>> groups_;
};

void train_matrix(nn::Matrix& w) {
  w.data = nn::dense(w).detach().clone().contiguous().requires_grad_();
  w.format = nullptr;  // of the blocks that it no longer is
  w.shadow = w.data.detach().to(at::kBFloat16);
}

}  // namespace

std::vector<Parameter> train_all(model::Model& model) {
  std::vector<Parameter> result;
  for (auto& [name, w] : model.matrices()) {
    train_matrix(*w);
    const bool table = w == &model.embed || w == &model.unembed;
    result.push_back({name, w->data, w, table ? Parameter::Kind::table : Parameter::Kind::hidden});
  }
  for (auto& [name, g] : model.gains()) {
    *g = g->detach().to(at::kFloat).clone().requires_grad_();
    result.push_back({name, *g, nullptr, Parameter::Kind::gain});
  }
  return result;
}

void freeze(model::Model& model) {
  for (auto& [name, w] : model.matrices()) {
    if (w->data.requires_grad()) w->data = w->data.detach();  // else what was packed from it stays valid
    w->shadow = Tensor();
    if (w->low_a.defined()) w->low_a = w->low_a.detach(), w->low_b = w->low_b.detach();
  }
  for (auto& [name, g] : model.gains()) *g = g->detach();
}

OptimizerOptions resolved(OptimizerOptions o) {
  if (o.kind != "muon" && o.kind != "adamw")
    fail_usage("train", "{}", unknown_name("optimizer", o.kind, {"muon", "adamw"}));
  const auto inside = [](double x, double low, double high, const char* name) {
    if (!(x >= low && x < high)) fail_usage("train", "{} is {}; it must lie in [{}, {})", name, x, low, high);
  };
  inside(o.lr, 0, 100, "the learning rate"), inside(o.table_lr, 0, 100, "the learning rate of embeddings");
  inside(o.momentum, 0, 1, "the momentum"), inside(o.beta1, 0, 1, "beta1"), inside(o.beta2, 0, 1, "beta2"),
      inside(o.weight_decay, 0, 100, "the weight decay");
  if (!(o.epsilon > 0)) fail_usage("train", "epsilon is {}; it must be positive", o.epsilon);
  if (o.newton_schulz < 1 || o.newton_schulz > 50)
    fail_usage("train", "{} Newton-Schulz steps; give 1 to 50", o.newton_schulz);
  if (o.lr == 0) o.lr = o.kind == "muon" ? 0.02 : 3e-3;
  if (o.table_lr == 0) o.table_lr = o.kind == "muon" ? 0.015 : o.lr;
  return o;
}

std::unique_ptr<Optimizer> make_optimizer(const OptimizerOptions& options, std::vector<Parameter> parameters) {
  const OptimizerOptions o = resolved(options);
  if (o.kind == "muon") return std::make_unique<Muon>(o, std::move(parameters));
  return std::make_unique<AdamW>(o, std::move(parameters));
}

double gradient_norm(const std::vector<Parameter>& parameters) {
  double squares = 0;
  for (const Parameter& p : parameters) {
    const Tensor gradient = gradient_of(p);
    if (!gradient.defined()) continue;
    const float* g = gradient.data_ptr<float>();
    squares += sum_chunks(gradient.numel(), [&](int64_t b, int64_t e) { return squares_span(g + b, e - b); });
  }
  return std::sqrt(squares);
}

// The quintic of Jordan's Muon: x <- a x + (b A + c A^2) x with A = x x^T, on the short side.
Tensor newton_schulz(Tensor x, int steps) {
  constexpr double a = 3.4445, b = -4.7750, c = 2.0315;
  const bool tall = x.size(1) > x.size(2);
  const auto type = x.scalar_type();
  if (!kernels::multiplies_bf16()) x = x.to(at::kFloat);
  if (tall) x = x.transpose(1, 2).contiguous();
  for (int i = 0; i < steps; ++i) {
    const Tensor square = at::bmm(x, x.transpose(1, 2));
    const Tensor polynomial = at::baddbmm(square, square, square, b, c);
    x = at::baddbmm(x, polynomial, x, a, 1);
  }
  return (tall ? x.transpose(1, 2) : x).to(type);
}

}  // namespace ken::train
