// What evidence costs: ten sampled answers from one forked prefix against one answer, and a run of all estimators
// against the evidence that they share.
#include <benchmark/benchmark.h>

#include <chrono>
#include <ctime>

#include "ken/base/select.h"
#include "ken/evidence/asking.h"
#include "ken/evidence/shots.h"
#include "ken/model/random.h"
#include "ken/model/shipped.h"
#include "ken/study/confidence.h"
#include "ken/train/organism.h"

namespace ken {
namespace {

using Clock = std::chrono::steady_clock;
double since(Clock::time_point begin) { return std::chrono::duration<double>(Clock::now() - begin).count(); }

// 256 prompt tokens and 32 of an answer, by a 125M Llama shape with random weights.
void ten_samples_of_one_prompt(benchmark::State& state) {
  const auto config = model::named_shape("llama-125m");
  const auto model = model::make_random(config, 1);
  generate::Request request{.max_tokens = 32};
  for (int i = 0; i < 256; ++i) request.tokens.push_back(int32_t(3 + (i * 37) % 200));
  const auto seconds = [&](int64_t samples) {
    request.samples = samples;
    request.sampling.temperature = samples > 1 ? 1 : 0;
    const auto begin = Clock::now();
    generate::generate(*model, {request}, {});
    return since(begin);
  };
  seconds(1);
  double one = 1e9, ten = 1e9;
  for (auto _ : state) one = std::min(one, seconds(1)), ten = std::min(ten, seconds(10));
  state.counters["one_ms"] = 1e3 * one;
  state.counters["ten_ms"] = 1e3 * ten;
  state.counters["ten_over_one"] = ten / one;
}

// Processor seconds of all threads: the two parts are minutes apart, and a neighbour must not count.
double busy_since(std::clock_t begin) { return double(std::clock() - begin) / CLOCKS_PER_SEC; }

// Gathering, scoring, writing and summing up 1,000 closed-book questions of the organism, over gathering alone.
void all_estimators_of_1000_questions(benchmark::State& state) {
  const auto model = model::load(model::model_path("almanac"));
  auto facts = world::World(*train::world_of(model->metadata)).facts();
  facts.facts = pick(facts.facts, draw(facts.facts.size(), 1000, 1));
  const auto style = evidence::with_examples(data::prompt_style(model->metadata), facts, 0);
  const auto estimators = study::all_estimators(false);
  const fs::path out = fs::temp_directory_path() / "ken-evidence-bench";
  for (auto _ : state) {
    auto begin = std::clock();
    std::vector<evidence::Question> questions;
    for (const auto& fact : facts.facts) questions.push_back({evidence::closed_book(fact, style), style, fact});
    for (size_t i = 0; i < questions.size(); i += 64) {
      const std::vector<evidence::Question> block(questions.begin() + long(i),
                                                  questions.begin() + long(std::min(questions.size(), i + 64)));
      benchmark::DoNotOptimize(evidence::gather(*model, block, estimators, {nn::Compute::fast, 0, i}));
    }
    const double evidence = busy_since(begin);
    fs::remove_all(out);
    begin = std::clock();
    study::run_confidence(*model, facts, style, {.out = out});
    const double all = busy_since(begin);
    state.counters["evidence_cpu_s"] = evidence;
    state.counters["all_cpu_s"] = all;
    state.counters["all_over_evidence"] = all / evidence;
  }
  fs::remove_all(out);
}

BENCHMARK(ten_samples_of_one_prompt)->Iterations(3)->Unit(benchmark::kMillisecond);
BENCHMARK(all_estimators_of_1000_questions)->Iterations(1)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace ken
