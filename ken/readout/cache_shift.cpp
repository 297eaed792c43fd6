#include "ken/readout/cache_shift.h"

#include "ken/base/error.h"
#include "ken/model/partial.h"

namespace ken::readout {
namespace {

// Adam whose moments and step counts belong to positions: a token's state has been moved as often as windows came
// after it.
class PositionAdam {
 public:
  PositionAdam(const Tensor& like, double rate)
      : mean_(at::zeros_like(like)),
        square_(at::zeros_like(like)),
        moved_(at::zeros({like.size(1)}, at::kDouble)),
        rate_(rate) {}

  // Moves the first n positions of x [layers, N, n_kv, d_head] by their gradient [layers, n, n_kv, d_head].
  void step(Tensor& x, const Tensor& gradient) {
    const int64_t n = gradient.size(1);
    Tensor m = mean_.narrow(1, 0, n), v = square_.narrow(1, 0, n), t = moved_.narrow(0, 0, n);
    t += 1;
    m.mul_(0.9).add_(gradient, 0.1);
    v.mul_(0.999).addcmul_(gradient, gradient, 0.001);
    const Tensor by_position = t.to(at::kFloat).view({1, n, 1, 1});
    const Tensor unbiased = m / (1 - at::pow(0.9, by_position)), scale = (v / (1 - at::pow(0.999, by_position))).sqrt();
    x.narrow(1, 0, n) -= rate_ * unbiased / (scale + 1e-8);
  }

 private:
  Tensor mean_, square_, moved_;
  double rate_;
};

// Adds rows of `shift` [layers, N, n_kv, d_head] to those of the pass that stand at its positions.
model::TapFn adding(const Tensor& shift) {
  return [&shift](const Tensor& x, const model::Site& site) -> std::optional<Tensor> {
    const int64_t first = site.positions.front(), n = std::min<int64_t>(x.size(0), shift.size(1) - first);
    if (n <= 0) return std::nullopt;
    const Tensor own = shift[site.layer].narrow(0, first, n).to(x.device());
    const Tensor moved = (x.narrow(0, 0, n).to(at::kFloat) + own).to(x.scalar_type());
    return n == x.size(0) ? moved : at::cat({moved, x.narrow(0, n, x.size(0) - n)});
  };
}

// -log p of the tokens from `begin` on [tokens], after what stands before them.
Tensor window_nll(const model::Model& model, const std::vector<int32_t>& read, int64_t begin,
                  std::vector<model::Tap> taps, nn::Compute compute) {
  const model::TapPlan plan(model.config, std::move(taps));
  const model::Batch batch = model::pack({{read}}, model.config.vocab);
  const int64_t n = int64_t(read.size()) - begin;
  const Tensor hidden =
      model::forward(model, batch, {.compute = compute, .taps = &plan, .logits = model::ForwardOptions::Logits::none})
          .hidden;
  const Tensor logits = model::unembed(model, hidden.narrow(0, begin - 1, n), compute);
  const std::vector<int64_t> wanted(read.begin() + begin, read.end());
  const Tensor targets = at::tensor(wanted, at::kLong).to(logits.device()).unsqueeze(1);
  return -at::log_softmax(logits, -1).gather(1, targets).squeeze(1);
}

}  // namespace

std::vector<model::Tap> CacheShift::taps() const {
  return {{"blocks.*.attn.hook_rot_k", adding(keys)}, {"blocks.*.attn.hook_v", adding(values)}};
}

CacheShift fit_cache(const model::Model& model, const std::vector<int32_t>& tokens, const CacheSteps& options,
                     nn::Compute compute) {
  if (options.window < 1 || options.steps < 1) fail_usage("hso", "window and steps must be at least 1");
  const auto& c = model.config;
  const int64_t n = int64_t(tokens.size());
  CacheShift shift{at::zeros({c.n_layers, n, c.n_kv_heads, c.d_head}),
                   at::zeros({c.n_layers, n, c.n_kv_heads, c.d_head})};
  PositionAdam keys(shift.keys, options.rate), values(shift.values, options.rate);
  double windows = 0;
  for (int64_t begin = options.window; begin < n; begin += options.window) {
    const std::vector<int32_t> read(tokens.begin(), tokens.begin() + std::min(n, begin + options.window));
    for (int64_t step = 0; step <= options.steps; ++step) {
      const at::AutoGradMode gradients(step < options.steps);
      const Tensor k = shift.keys.narrow(1, 0, begin).detach().clone().requires_grad_(step < options.steps),
                   v = shift.values.narrow(1, 0, begin).detach().clone().requires_grad_(step < options.steps);
      const Tensor nll = window_nll(
          model, read, begin, {{"blocks.*.attn.hook_rot_k", adding(k)}, {"blocks.*.attn.hook_v", adding(v)}}, compute);
      const double mean = nll.mean().item<double>();
      if (step == 0) shift.before += mean;
      if (step == options.steps) {
        shift.after += mean;
        break;
      }
      nll.sum().backward();
      const at::NoGradGuard none;
      keys.step(shift.keys, k.grad()), values.step(shift.values, v.grad());
    }
    ++windows;
  }
  if (windows > 0) shift.before /= windows, shift.after /= windows;
  return shift;
}

}  // namespace ken::readout
