// The works of `ken bench` that are no pass of a decoding: a training step, and the choice of tokens.
#include <malloc.h>

#include <atomic>
#include <fstream>

#include "ken/base/error.h"
#include "ken/base/rng.h"
#include "ken/cli/bench_work.h"
#include "ken/generate/sampler.h"
#include "ken/train/low_rank.h"
#include "ken/train/objective.h"
#include "ken/train/optimizer.h"

namespace ken::cli {
namespace {

constexpr int64_t documents = 4, tokens_each = 256, sampled_rows = 10;
// Of a trained parameter: value, bf16 copy, gradient, two moments; and the largest gradient twice.
constexpr double bytes_of_parameter = 20, bytes_without_moments = 12;

// A figure of Linux's own, "KEY: n kB", in bytes; `otherwise` where there is none.
double system_bytes(const char* file, const std::string& key, double otherwise) {
  std::ifstream stream(file);
  for (std::string found, rest; stream >> found; std::getline(stream, rest)) {
    double kilobytes = 0;
    if (found == key && stream >> kilobytes) return 1024 * kilobytes;
  }
  return otherwise;
}
double free_bytes() { return system_bytes("/proc/meminfo", "MemAvailable:", INFINITY); }  // nothing is refused

// The most memory the process has held since the last call of forget_peak; what is free by then does not count.
void forget_peak() {
#ifdef __GLIBC__
  ::malloc_trim(0);
#endif
  std::ofstream("/proc/self/clear_refs") << 5;
}
double peak_bytes() { return system_bytes("/proc/self/status", "VmHWM:", 0); }

train::TrainBatch random_batch(const model::Config& config) {
  Rng rng(0, 3);
  const int64_t n = std::min(tokens_each, config.context);
  std::vector<model::Row> rows(documents);
  for (auto& row : rows)
    for (int64_t i = 0; i < n; ++i) row.tokens.push_back(int32_t(rng.below(uint64_t(config.vocab))));
  const model::Batch inputs = model::pack(rows, config.vocab);
  return {inputs, inputs.tokens.roll(-1), at::ones({documents * n}, at::kFloat)};
}

// Forward and backward of one step.
void backward(model::Model& model, const std::vector<train::Parameter>& parameters, const train::TrainBatch& batch,
              nn::Compute compute, int64_t kept_blocks = -1) {
  static const auto objective = train::next_token();
  for (const auto& p : parameters) p.value.mutable_grad() = at::Tensor();
  objective->loss({model, compute, kept_blocks}, batch, objective->weight(batch)).value.backward();
}

void step(train::Optimizer& optimizer, const std::vector<train::Parameter>& parameters) {
  optimizer.step(1, std::min(1.0, 1 / train::gradient_norm(parameters)));
}

}  // namespace

std::string Bench::training_refused() const {
  const double needs = bytes_of_parameter * double(model_.parameters()), free = free_bytes();
  if (needs <= free) return "";
  return fmt::format("training {} takes about {:.1f} GB and {:.1f} GB of memory are free", model_.config.name,
                     needs / 1e9, free / 1e9);
}

// f32 masters with bf16 products and AdamW. Muon's own products would be several times the step's at so few tokens.
void Bench::train(const Emit& emit) {
  if (const std::string why = training_refused(); !why.empty()) fail("bench", "{}; leave train out of --work", why);
  model::Model trained = model_;
  const auto parameters = train::train_all(trained);
  const auto optimizer = train::make_optimizer({.kind = "adamw"}, parameters);
  const auto batch = random_batch(trained.config);
  const double seconds = best_seconds(options_.repeat, [&] {
    backward(trained, parameters, batch, options_.compute);
    step(*optimizer, parameters);
  });
  const auto tokens = double(batch.tokens());
  emit({"train",
        documents,
        seconds,
        train_floor(weights_, peaks_, tokens),
        tokens,
        {{"type", "f32"}, {"tokens", batch.tokens()}, {"optimizer", "adamw"}}});
}

// Adapters on the stored weights; where memory allows, beside forward and backward of every weight.
void Bench::lora(const Emit& emit) {
  model::Model adapted = model_;
  const auto batch = random_batch(adapted.config);
  const auto parameters = train::train_low_rank(adapted, {.rank = 16});
  const auto optimizer = train::make_optimizer({.kind = "adamw"}, parameters);
  const auto tokens = double(batch.tokens());
  std::vector<std::pair<double, Json>> steps;  // seconds
  for (const int64_t kept : options_.kept_blocks) {
    forget_peak();
    const double seconds = best_seconds(options_.repeat, [&] {
      backward(adapted, parameters, batch, options_.compute, kept);
      step(*optimizer, parameters);
    });
    steps.push_back(
        {seconds, {{"tokens", batch.tokens()}, {"rank", 16}, {"kept_blocks", kept}, {"peak_gb", peak_bytes() / 1e9}}});
  }
  double full = NAN;
  if (bytes_without_moments * double(model_.parameters()) < free_bytes()) {
    model::Model whole = model_;
    const auto all = train::train_all(whole);
    full = best_seconds(options_.repeat, [&] { backward(whole, all, batch, options_.compute); });
  }
  for (auto& [seconds, more] : steps) {
    if (full == full) more["times_full"] = full / seconds;
    // No gradient of the stored weights: two products of the three.
    emit({"lora", documents, seconds, train_floor(weights_, peaks_, tokens) * 2 / 3, tokens, more});
  }
}

void Bench::sampler(const Emit& emit) {
  const at::Tensor logits = at::randn({sampled_rows, model_.config.vocab});
  uint64_t step = 0;
  std::atomic<int64_t> sink = 0;  // the tokens are used, or nothing would be chosen
  const double seconds = best_seconds(4 * options_.repeat, [&] {
    ++step;
    at::parallel_for(0, sampled_rows, 1, [&](int64_t begin, int64_t end) {  // as the loop of generation does it
      for (int64_t row = begin; row < end; ++row) {
        const std::span<const float> values(logits[row].data_ptr<float>(), size_t(logits.size(1)));
        sink += generate::sample(values, {.temperature = 1}, uint64_t(row), step);
        sink += int64_t(generate::spread(values).entropy);
      }
    });
  });
  if (sink < 0) fail("bench", "the sampler chose a token below 0");
  emit({"sampler",
        sampled_rows,
        seconds,
        double(logits.nbytes()) / peaks_.bytes,
        0,
        {{"share", seconds / (seconds + step_of(sampled_rows).seconds)}}});
}

}  // namespace ken::cli
