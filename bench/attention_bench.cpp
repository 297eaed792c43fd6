// Attention over the cache, in the shapes of a 1B model with grouped heads and of a small one without: reading a
// prompt, decoding a row, and rows that share a prompt. GFLOP/s counts the two products; GB/s the keys and values of a
// pass.
#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include "ken/kernels/kernels.h"
#include "ken/nn/kv_cache.h"

namespace ken {
namespace {

using at::Tensor;

// `rows` sequences of `keys` positions, the last `tokens` of which ask; shared: forks of one sequence. Passes go round
// `layers` of keys and values: a model's do not stay in the caches from one token to the next.
struct Shape {
  int64_t rows, tokens, keys;
  bool shared = false;
  int layers = 1;
};

void attend(benchmark::State& state, Shape shape, int64_t heads, int64_t kv_heads, at::ScalarType type) {
  constexpr int64_t width = 64;
  nn::KvCache cache(shape.layers, kv_heads, width, type);
  const auto random = [&](int64_t n, int64_t h) { return at::randn({n, h, width}).to(type); };
  std::vector<int> ids;
  for (int64_t s = 0; s < shape.rows; ++s) {
    if (shape.shared && s > 0) {
      ids.push_back(cache.fork(ids[0]));
      continue;
    }
    ids.push_back(cache.open());
    cache.extend(ids.back(), shape.keys);
    const Tensor offsets = at::tensor({int64_t{0}, shape.keys}, at::kLong);
    const Tensor k = random(shape.keys, kv_heads), v = random(shape.keys, kv_heads);
    for (int layer = 0; layer < shape.layers; ++layer) cache.write(layer, cache.table({ids.back()}), offsets, k, v);
  }
  const auto [table, lengths] = cache.table(ids);
  const Tensor q = random(shape.rows * shape.tokens, heads), offsets = at::arange(shape.rows + 1) * shape.tokens;
  int layer = 0;
  for (auto _ : state) {
    benchmark::DoNotOptimize(
        kernels::attention_paged(q, cache.keys(layer), cache.values(layer), table, lengths, offsets, {0.125}));
    layer = (layer + 1) % shape.layers;
  }
  const double seen = double(shape.keys) - double(shape.tokens - 1) / 2;  // keys of a row, on average
  const double passes = double(state.iterations()), pairs = double(shape.rows * shape.tokens) * seen;
  using benchmark::Counter;
  state.counters["GFLOP/s"] = Counter(4e-9 * pairs * double(heads * width) * passes, Counter::kIsRate);
  state.counters["GB/s"] =
      Counter(2e-9 * double(shape.rows * shape.keys * kv_heads * width) * double(at::elementSize(type)) * passes,
              Counter::kIsRate);
}

const int registered = [] {
  const std::pair<const char*, Shape> shapes[] = {
      {"prefill512", {1, 512, 512}},    {"decode512", {1, 1, 512}},          {"decode2048", {1, 1, 2048}},
      {"forks256", {16, 1, 256, true}}, {"rows300", {8, 1, 300, false, 12}},
  };
  for (const auto type : {at::kFloat, at::kBFloat16}) {
    for (const auto& [heads, kv_heads] : {std::pair{32, 4}, {12, 12}}) {
      for (const auto& [name, shape] : shapes) {
        const std::string full =
            fmt::format("attention/{}/{}of{}/{}", type == at::kFloat ? "f32" : "bf16", kv_heads, heads, name);
        benchmark::RegisterBenchmark(full.c_str(), attend, shape, heads, kv_heads, type)->UseRealTime();
      }
    }
  }
  return 0;
}();

}  // namespace
}  // namespace ken
