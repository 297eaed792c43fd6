// What `ken bench` measures: each work is one kind of pass or loop, set against its floor.
#pragma once
#include "ken/cli/bench_floors.h"

namespace ken::cli {

struct BenchOptions {
  nn::Compute compute = nn::Compute::fast;
  int64_t tokens = 0;  // of a prefill; 0: 512, or as many as the context holds
  std::vector<int64_t> rows{1, 4, 16, 64};
  int64_t new_tokens = 0;                // of decode, a row; 0: up to 32, as many as take a third of a second
  int repeat = 3;                        // the best counts
  std::vector<int64_t> kept_blocks{-1};  // of lora's steps; see model::ForwardOptions
};

struct Measured {
  std::string work;
  int64_t rows = 1;
  double seconds = 0, floor = 0;  // both of the same thing
  double tokens = 0;              // read or made in that time; 0: the value is the time, in ms
  Json more = Json::object();     // what only this work tells
};
// The arithmetic that the passes take, as rows name it.
std::string kernel_path(nn::Compute compute);

using Emit = std::function<void(const Measured&)>;

class Bench {
 public:
  Bench(const model::Model& model, const Peaks& peaks, const BenchOptions& options);
  static std::vector<std::string> works();  // in the order of their being measured
  void measure(const std::string& work, const Emit& emit);

  // {work, shape, type, rows, value, unit, floor, ratio, path, threads, peaks, ...}; the floor is in the unit of the
  // value, the ratio 1 at the floor.
  Json row(const Measured& measured) const;

  const Weights& weights() const { return weights_; }
  double prefill_seconds(int64_t tokens, const model::TapPlan* taps = nullptr) const;
  // One row from an empty cache, a pass a token.
  double decode_seconds(int64_t tokens, const model::TapPlan* taps = nullptr) const;
  int64_t prefill_tokens() const { return options_.tokens; }
  double floor_of_prefill(int64_t tokens) const { return prefill_floor(weights_, peaks_, double(tokens)); }
  double floor_of_decode(int64_t tokens) const;
  // Empty, or why training does not fit into memory.
  std::string training_refused() const;

 private:
  struct Step {
    double seconds = 0, floor = 0;
    int64_t passes = 0;  // of one timing
  };
  struct Looped {
    double all = INFINITY, step = INFINITY;  // seconds; step: of a pass after the prompt's
  };
  void prefill(const Emit& emit);
  void decode(const Emit& emit);
  void samples(const Emit& emit);
  void twostream(const Emit& emit);
  void capture(const Emit& emit);
  void train(const Emit& emit);
  void lora(const Emit& emit);
  void sampler(const Emit& emit);

  int64_t written() const;                              // tokens that a row of decode chooses, at most
  int64_t fitting(int64_t prompt, int64_t more) const;  // as much of a prompt as leaves room for more tokens
  Step step_of(int64_t rows);
  void loop(const std::string& text, std::vector<int32_t> tokens, int64_t samples, int64_t most, Looped& best) const;
  double cached_floor(double positions) const;  // of a step's pass

  const model::Model& model_;
  Peaks peaks_;
  BenchOptions options_;
  Weights weights_;
  double bytes_of_position_ = 0;
  std::map<int64_t, Step> steps_;
};

}  // namespace ken::cli
