// What steering costs a token: a two-stream control against plain decoding of one row, and eight rows with eight
// different controls against plain rows, their twins counted as rows. On a quantised model whose weights pass the
// caches: there a step costs the reading of the weights.
#include <benchmark/benchmark.h>
#include <unistd.h>

#include <chrono>

#include "ken/generate/generate.h"
#include "ken/model/random.h"

namespace ken {
namespace {

using Clock = std::chrono::steady_clock;
constexpr int64_t tokens_made = 24;

std::shared_ptr<model::Model> random_model(const char* shape) {
  const fs::path path = fs::temp_directory_path() / fmt::format("ken-control-bench-{}.gguf", ::getpid());
  const auto config = model::named_shape(shape);
  model::save_random(config, model::byte_tokenizer(config), 1, path, io::weight_type("q8_0"));
  const auto model = model::load(path);
  fs::remove(path);  // the mapping stays
  return model;
}

generate::Request request(const std::string& control) {
  const std::string question = "Where was the person of the passage above born, and in which year was that?";
  generate::Request r{.prompt = {"The passage says that she was born in a town by the sea. " + question, question},
                      .max_tokens = tokens_made};
  r.prompt.question = question;
  r.prompt.beside = [question](const std::string& passage) { return passage + " " + question; };
  if (!control.empty()) r.controls = {generate::control_from(control)};
  return r;
}

// Seconds a step of decoding, the prompt's pass left out.
double step_seconds(const model::Model& model, const std::vector<generate::Request>& requests) {
  std::vector<Clock::time_point> begins;
  generate::GenerateOptions options;
  options.interrupted = [&begins] { return begins.push_back(Clock::now()), false; };
  const auto results = generate::generate(model, requests, options);
  const double all = std::chrono::duration<double>(Clock::now() - begins.at(1)).count();
  return all / double(begins.size() - 1);
}

size_t twins_of(const model::Model& model, const generate::Request& r) {
  const auto control = r.controls.at(0).make();
  generate::Prompt prompt = r.prompt;
  control->begin({model, nn::Compute::fast});
  control->rewrite(prompt);
  return control->twins(prompt).size();
}

void two_streams_over_one(benchmark::State& state) {
  const auto model = random_model("llama-1b");
  double one = 1e9, two = 1e9;
  for (auto _ : state) {
    one = std::min(one, step_seconds(*model, {request("")}));
    two = std::min(two, step_seconds(*model, {request("cad:alpha=1")}));
  }
  state.counters["one_ms"] = 1e3 * one;
  state.counters["two_ms"] = 1e3 * two;
  state.counters["two_over_one"] = two / one;
}

// A small model beside the row, read token by token or as a draft of four; what is chosen is the small one's, so that
// every guess is right, or the large one's, so that hardly any is.
class Guesser final : public generate::Control {
 public:
  Guesser(std::shared_ptr<const model::Model> small, int64_t draft, bool right)
      : small_(std::move(small)), draft_(draft), right_(right) {}
  std::vector<generate::Twin> twins(const generate::Prompt& prompt) override { return {{prompt.text, small_}}; }
  generate::Draft draft() const override { return {0, draft_}; }
  at::Tensor combine(generate::Step& step) override { return right_ ? step.twins[0] : step.logits; }

 private:
  std::shared_ptr<const model::Model> small_;
  int64_t draft_;
  bool right_;
};

void drafts_over_single_tokens(benchmark::State& state) {
  const auto large = random_model("llama-1b");
  const std::shared_ptr<const model::Model> small = random_model("llama-125m");
  const auto seconds = [&](int64_t draft, bool right) {
    auto guessed = request("");
    guessed.controls = {{.own = [=] { return std::make_unique<Guesser>(small, draft, right); }}};
    return step_seconds(*large, {guessed});
  };
  double single = 1e9, right = 1e9, wrong = 1e9;
  for (auto _ : state) {
    single = std::min(single, seconds(0, true));
    right = std::min(right, seconds(4, true));
    wrong = std::min(wrong, seconds(4, false));
  }
  state.counters["single_ms"] = 1e3 * single;
  state.counters["right_times"] = single / right;
  state.counters["wrong_times"] = single / wrong;
}

void eight_controls_over_plain_rows(benchmark::State& state) {
  const auto model = random_model("llama-125m");
  std::vector<generate::Request> steered;
  for (const char* control : {"vector:strength=0.5", "vector:strength=-0.5,phase=decode", "spare", "ck-plug",
                              "cad:alpha=1", "dola", "lineas", "implicit-instruction-tuning"})
    steered.push_back(request(control));
  size_t rows = steered.size();
  for (const auto& r : steered) rows += twins_of(*model, r);
  const std::vector<generate::Request> plain(rows, request(""));
  double with = 1e9, without = 1e9;
  for (auto _ : state) {
    without = std::min(without, step_seconds(*model, plain));
    with = std::min(with, step_seconds(*model, steered));
  }
  state.counters["rows"] = double(rows);
  state.counters["plain_ms"] = 1e3 * without;
  state.counters["steered_ms"] = 1e3 * with;
  state.counters["throughput_ratio"] = without / with;
}

BENCHMARK(two_streams_over_one)->Iterations(3)->Unit(benchmark::kMillisecond);
BENCHMARK(drafts_over_single_tokens)->Iterations(3)->Unit(benchmark::kMillisecond);
BENCHMARK(eight_controls_over_plain_rows)->Iterations(3)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace ken
