// Training of sparse autoencoders: ken's step against an eager f32 torch loop with autograd of the same dictionary
// (top-k, dense decoder, Adam, unit rows), steps in turn. The floor counts what no way of training can leave out: the
// encoder's product of every row with every feature, at the bf16 rate that this machine shows in the same run.
#include <benchmark/benchmark.h>

#include <chrono>

#include "ken/cli/bench_floors.h"
#include "ken/readout/sae.h"

namespace ken {
namespace {

using at::Tensor;
using Clock = std::chrono::steady_clock;

constexpr int64_t batch = 2048, k = 32;

// What is written when no more than tensors and autograd are at hand.
struct Eager {
  Tensor enc, dec, b_enc, b_dec;
  std::vector<Tensor*> weights{&enc, &dec, &b_enc, &b_dec};
  std::vector<Tensor> m, v;
  int64_t t = 0;
  Eager(int64_t d, int64_t features) {
    dec = at::randn({features, d});
    dec = (dec / dec.norm(2, 1, true)).requires_grad_();
    enc = dec.detach().t().contiguous().requires_grad_();
    b_enc = at::zeros({features}).requires_grad_();
    b_dec = at::zeros({d}).requires_grad_();
    for (const Tensor* w : weights) m.push_back(at::zeros_like(*w)), v.push_back(at::zeros_like(*w));
  }
  double step(const Tensor& x) {
    const auto begin = Clock::now();
    const auto [values, indices] = at::addmm(b_enc, x, enc).topk(k, -1, true, false);
    const Tensor z = at::zeros({x.size(0), dec.size(0)}).scatter(1, indices, at::relu(values));
    (at::mm(z, dec) + b_dec - x).square().sum(1).mean().backward();
    const at::NoGradGuard no_gradients;
    ++t;
    Tensor g = dec.grad();
    dec.mutable_grad() = g - (g * dec).sum(1, true) * dec;
    for (size_t i = 0; i < weights.size(); ++i) {
      const Tensor& w = *weights[i];
      m[i].mul_(0.9).add_(w.grad(), 0.1);
      v[i].mul_(0.999).addcmul_(w.grad(), w.grad(), 0.001);
      const double rate = 1e-3 / (1 - std::pow(0.9, double(t)));
      w.addcdiv_(m[i], (v[i] / (1 - std::pow(0.999, double(t)))).sqrt_().add_(1e-8), -rate);
      w.mutable_grad() = Tensor();
    }
    dec.div_(dec.norm(2, 1, true));
    return std::chrono::duration<double>(Clock::now() - begin).count();
  }
};

double median(std::vector<double> x) {
  std::sort(x.begin(), x.end());
  return x[x.size() / 2];
}

void sae_step(benchmark::State& state, readout::SaeKind kind, nn::Compute compute) {
  const int64_t d = state.range(0), features = 8 * d;
  at::set_num_threads(int(state.range(1)));
  at::manual_seed(1);
  const Tensor directions = at::randn({2 * d, d});
  std::vector<Tensor> batches;
  for (int i = 0; i < 8; ++i)
    batches.push_back(at::mm((at::rand({batch, 2 * d}) < 0.05).to(at::kFloat), directions) +
                      0.1 * at::randn({batch, d}));
  readout::SaeTraining o;
  o.kind = kind;
  o.compute = compute;
  o.features = features;
  o.k = k;
  o.batch = batch;
  o.tokens = batch * 10000;
  readout::SaeTrainer trainer(o, batches[0]);
  Eager eager(d, features);
  std::vector<double> ours, theirs;
  size_t i = 0;
  for (; i < 4; ++i) trainer.step(batches[i]), eager.step(batches[i] / std::sqrt(double(d)));
  for (auto _ : state) {
    const Tensor& x = batches[i++ % batches.size()];
    const auto begin = Clock::now();
    trainer.step(x);
    ours.push_back(std::chrono::duration<double>(Clock::now() - begin).count());
    theirs.push_back(eager.step(x));
  }
  const double floor = cli::measured_peaks().flops / (2.0 * double(d) * double(features));
  state.counters["tokens_s"] = double(batch) / median(ours);
  state.counters["eager_tokens_s"] = double(batch) / median(theirs);
  state.counters["times_eager"] = median(theirs) / median(ours);
  state.counters["floor_tokens_s"] = floor;
  state.counters["of_floor"] = double(batch) / median(ours) / floor;
}

using readout::SaeKind;
BENCHMARK_CAPTURE(sae_step, topk, SaeKind::topk, nn::Compute::fast)
    ->Args({192, 1})
    ->Args({192, 2})
    ->Args({768, 1})
    ->Args({768, 2})
    ->Unit(benchmark::kMillisecond)
    ->Iterations(20);
BENCHMARK_CAPTURE(sae_step, batchtopk, SaeKind::batchtopk, nn::Compute::fast)
    ->Args({192, 1})
    ->Args({768, 1})
    ->Unit(benchmark::kMillisecond)
    ->Iterations(20);
BENCHMARK_CAPTURE(sae_step, topk_f32, SaeKind::topk, nn::Compute::f32)
    ->Args({192, 1})
    ->Args({768, 1})
    ->Unit(benchmark::kMillisecond)
    ->Iterations(20);

}  // namespace
}  // namespace ken
