// Training throughput of the organism's shape: ken's step against an eager f32 torch loop of the same model, and both
// against the floor: 6 x parameters FLOP a token at the bf16 rate that this machine shows in the same run.
#include <benchmark/benchmark.h>

#include <chrono>

#include "ken/cli/bench_floors.h"
#include "ken/kernels/reference.h"
#include "ken/train/organism.h"
#include "ken/train/trainer.h"

namespace ken {
namespace {

using at::Tensor;
using Clock = std::chrono::steady_clock;

const world::World& the_world() {
  static const world::World world{world::WorldParams{}};
  return world;
}

struct Data {
  std::shared_ptr<model::Model> model = train::new_organism(the_world(), {}, 1, "bench");
  std::vector<train::TrainBatch> batches;
  Data() {
    auto source = train::world_source(std::make_shared<const world::World>(world::WorldParams{}), model->tokenizer, 3);
    train::StepStream stream(std::shared_ptr<const train::SampleSource>(std::move(source)),
                             {.tokens = 2048, .vocab = model->config.vocab, .context = model->config.context}, 0);
    for (int i = 0; i < 8; ++i) batches.push_back(stream.next()->batch);
  }
};

double ken_step(Data& data, const std::vector<train::Parameter>& parameters, train::Optimizer& optimizer, size_t i) {
  const auto objective = train::next_token();
  const auto& batch = data.batches[i % data.batches.size()];
  const auto begin = Clock::now();
  for (const auto& p : parameters) p.value.mutable_grad() = Tensor();
  objective->loss({*data.model, nn::Compute::fast}, batch, objective->weight(batch)).value.backward();
  const double norm = train::gradient_norm(parameters);
  optimizer.step(1, std::min(1.0, 1.0 / norm));
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

// The eager loop: plain f32 operations with autograd, documents padded to [B, L] and attended under a mask, AdamW.
struct Eager {
  std::vector<Tensor> weights, m, v;
  const model::Model& model;
  explicit Eager(model::Model& source) : model(source) {
    for (auto& [name, w] : source.matrices()) weights.push_back(w->data.detach().clone().requires_grad_());
    for (auto& [name, g] : source.gains()) weights.push_back(g->detach().clone().requires_grad_());
    for (const auto& w : weights) m.push_back(at::zeros_like(w)), v.push_back(at::zeros_like(w));
  }

  Tensor norm(const Tensor& x, const Tensor& w) const { return x * at::rsqrt(x.square().mean(-1, true) + 1e-5) * w; }
  Tensor turned(const Tensor& x, const Tensor& cos, const Tensor& sin) const {  // [B, H, L, D]
    const auto half = x.chunk(2, -1);
    return at::cat({half[0] * cos - half[1] * sin, half[1] * cos + half[0] * sin}, -1);
  }

  Tensor loss(const Tensor& ids, const Tensor& targets, const Tensor& counts) const {
    const auto& c = model.config;
    const int64_t B = ids.size(0), L = ids.size(1);
    const Tensor angles = at::arange(L, at::kFloat).unsqueeze(1) * model.rope_frequencies, cos = angles.cos(),
                 sin = angles.sin();
    const Tensor mask = at::full({L, L}, -INFINITY).triu(1);
    Tensor x = at::embedding(weights[0], ids);
    const size_t gains = weights.size() - size_t(2 * c.n_layers + 1);
    for (int64_t l = 0; l < c.n_layers; ++l) {
      const Tensor* w = &weights[size_t(1 + 7 * l)];
      const Tensor n = norm(x, weights[gains + size_t(2 * l)]);
      const auto split = [&](const Tensor& y) { return y.view({B, L, c.n_heads, c.d_head}).transpose(1, 2); };
      const Tensor q = turned(split(at::linear(n, w[0])), cos, sin), k = turned(split(at::linear(n, w[1])), cos, sin),
                   v = split(at::linear(n, w[2]));
      const Tensor pattern = at::softmax(at::matmul(q, k.transpose(-1, -2)) / std::sqrt(double(c.d_head)) + mask, -1);
      x = x + at::linear(at::matmul(pattern, v).transpose(1, 2).reshape({B, L, -1}), w[3]);
      const Tensor n2 = norm(x, weights[gains + size_t(2 * l + 1)]);
      x = x + at::linear(at::silu(at::linear(n2, w[4])) * at::linear(n2, w[5]), w[6]);
    }
    const Tensor logprobs = at::log_softmax(at::linear(norm(x, weights.back()), weights[0]), -1);
    return -(logprobs.gather(2, targets.unsqueeze(2)).squeeze(2) * counts).sum() / counts.sum();
  }

  void update() {
    at::NoGradGuard no_gradients;
    for (size_t i = 0; i < weights.size(); ++i) {
      const Tensor g = weights[i].grad();
      m[i].mul_(0.9).add_(g, 0.1);
      v[i].mul_(0.95).addcmul_(g, g, 0.05);
      weights[i].addcdiv_(m[i], v[i].sqrt().add_(1e-8), -1e-3);
      weights[i].mutable_grad() = Tensor();
    }
  }

  double step(const train::TrainBatch& batch) {
    const int64_t B = batch.inputs.sequences();
    int64_t L = 0;
    for (int64_t s = 0; s < B; ++s) L = std::max(L, batch.inputs.end(s) - batch.inputs.begin(s));
    Tensor ids = at::zeros({B, L}, at::kLong), targets = at::zeros({B, L}, at::kLong), counts = at::zeros({B, L});
    for (int64_t s = 0; s < B; ++s) {
      const int64_t at = batch.inputs.begin(s), n = batch.inputs.end(s) - at;
      ids[s].narrow(0, 0, n).copy_(batch.inputs.tokens.narrow(0, at, n));
      targets[s].narrow(0, 0, n).copy_(batch.targets.narrow(0, at, n));
      counts[s].narrow(0, 0, n).copy_(batch.weights.narrow(0, at, n));
    }
    const auto begin = Clock::now();
    loss(ids, targets, counts).backward();
    update();
    return std::chrono::duration<double>(Clock::now() - begin).count();
  }
};

// Steps of the two loops in turn, so that a machine that slows down slows both.
void train_step(benchmark::State& state) {
  at::set_num_threads(int(state.range(0)));
  Data data;
  Eager eager(*data.model);
  auto parameters = train::train_all(*data.model);
  auto optimizer = train::make_optimizer(train::resolved({}), parameters);
  std::vector<double> ours, theirs;
  int64_t tokens = 0;
  size_t i = 0;
  ken_step(data, parameters, *optimizer, 0);
  eager.step(data.batches[0]);
  for (auto _ : state) {
    ours.push_back(ken_step(data, parameters, *optimizer, i));
    theirs.push_back(eager.step(data.batches[i % data.batches.size()]));
    tokens += data.batches[i++ % data.batches.size()].tokens();
  }
  const auto median = [](std::vector<double> x) {
    std::sort(x.begin(), x.end());
    return x[x.size() / 2];
  };
  const double per_step = double(tokens) / double(ours.size());
  const double floor = cli::measured_peaks().flops / (6.0 * double(data.model->parameters()));
  state.counters["tokens_s"] = per_step / median(ours);
  state.counters["eager_tokens_s"] = per_step / median(theirs);
  state.counters["times_eager"] = median(theirs) / median(ours);
  state.counters["floor_tokens_s"] = floor;
  state.counters["of_floor"] = per_step / median(ours) / floor;
}
BENCHMARK(train_step)->Arg(1)->Arg(2)->Unit(benchmark::kMillisecond)->Iterations(30);

}  // namespace
}  // namespace ken
