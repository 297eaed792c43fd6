#include "ken/cli/bench_floors.h"

#include <unistd.h>

#include <atomic>
#include <chrono>

#include "ken/nn/cpu.h"

namespace ken::cli {
namespace {

// Of a peak: the best counts, as other jobs only take from it. A try reads for about as long as a few tokens take: the
// memory of a shared machine is faster for moments than any program finds it.
constexpr int tries = 8, sweeps = 8;

// The sum of whole cache lines; eight sums, so that loads wait for memory and not for an addition.
uint64_t sum_lines(const uint64_t* x, int64_t n) {
  uint64_t sums[8] = {};
  for (int64_t i = 0; i < n; i += 8)
    for (int64_t j = 0; j < 8; ++j) sums[j] += x[i + j];
  return sums[0] + sums[1] + sums[2] + sums[3] + sums[4] + sums[5] + sums[6] + sums[7];
}

double bf16_flops() {
  constexpr int64_t n = 2048;
  const at::Tensor a = at::randn({n, n}).to(at::kBFloat16), b = at::randn({n, n}).to(at::kBFloat16);
  return 2.0 * n * n * n / best_seconds(tries, [&] { nn::matrix_product(a, b); });
}

std::string type_name(const nn::Matrix& w) {
  if (w.format) return w.format->card.id;
  return w.data.scalar_type() == at::kFloat ? "f32" : w.data.scalar_type() == at::kHalf ? "f16" : "bf16";
}

}  // namespace

double best_seconds(int repeat, const std::function<void()>& fn) {
  double best = INFINITY;
  for (int i = 0; i <= repeat; ++i) {
    const auto begin = std::chrono::steady_clock::now();
    fn();
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    if (i > 0) best = std::min(best, seconds);
  }
  return best;
}

double read_bandwidth() {
  const int64_t cache = std::max<int64_t>(::sysconf(_SC_LEVEL3_CACHE_SIZE), 0);
  const int64_t bytes = std::clamp<int64_t>(4 * cache, int64_t{256} << 20, int64_t{2} << 30);
  // As weights lie; written, because pages that nobody wrote to are all the same one.
  const at::Tensor buffer = nn::zero_bytes(1, bytes).fill_(1);
  const auto* x = static_cast<const uint64_t*>(buffer.data_ptr());
  std::atomic<uint64_t> sink = 0;  // the sums are used, or the loop would be left out
  const double seconds = best_seconds(tries, [&] {
    at::parallel_for(0, bytes / 64, 1, [&](int64_t begin, int64_t end) {
      for (int i = 0; i < sweeps; ++i) sink += sum_lines(x + begin * 8, (end - begin) * 8);
    });
  });
  return sweeps * double(bytes) / seconds;
}

Peaks measured_peaks() { return {read_bandwidth(), bf16_flops()}; }

Weights read_weights(const model::Model& model) {
  const model::Config& c = model.config;
  Weights weights;
  std::map<std::string, double> types;
  for (const auto& [name, w] : const_cast<model::Model&>(model).matrices()) {
    if ((w == &model.embed && !c.tied) || w == &model.pos_embed) continue;
    const bool expert = name.find(".experts.") != std::string::npos;
    const double share = expert ? double(c.n_experts_used) / double(c.n_experts) : 1, bytes = double(w->data.nbytes());
    weights.parameters += share * double(w->out * w->in);
    weights.bytes += share * bytes;
    types[type_name(*w)] += bytes;
    if (w == &model.output()) weights.output = double(w->out * w->in);
  }
  weights.type =
      std::max_element(types.begin(), types.end(), [](auto& a, auto& b) { return a.second < b.second; })->first;
  return weights;
}

}  // namespace ken::cli
