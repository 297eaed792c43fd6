// The one training loop: steps from a source through an Objective into an optimiser, with a log and exact resume.
#pragma once
#include "ken/base/progress.h"
#include "ken/train/data.h"
#include "ken/train/distributed.h"
#include "ken/train/optimizer.h"
#include "ken/train/schedule.h"

namespace ken::train {

struct TrainOptions {
  int64_t batch_tokens = 2048;  // of one rank's step
  OptimizerOptions optimizer;
  Schedule schedule;
  double clip = 1;  // largest gradient norm; 0 = no clip
  int64_t epochs = 1;
  bool shuffle = false;
  int64_t max_steps = 0;           // 0: until the data ends
  int64_t checkpoint_every = 200;  // steps; 0: only at the end
  uint64_t seed = 0;
  int threads = 0;  // 0: as torch is set
  nn::Compute compute = nn::Compute::fast;
  int64_t kept_blocks = -1;  // that keep their activations; the others' are computed again. -1: all
  fs::path out;              // empty: write nothing, resume nothing
};
void check(const TrainOptions& options);
Json to_json(const TrainOptions& options);  // everything that shapes the result: no folder, no threads

struct TrainResult {
  int64_t steps = 0, tokens = 0, documents = 0;  // of the whole run, earlier parts included
  int64_t first_step = 0;                        // where this process began: > 0 after a resume
  double seconds = 0;                            // of this process
  std::map<std::string, double> metrics;         // of the last step
};

// Trains `parameters` of the model in place. OUT holds log.jsonl (one line a step), checkpoint.safetensors and run.json
// (times, machine). A run that was killed at any moment and is started again with the same arguments and thread count
// ends with the same bytes of weights and log; other arguments on a folder in use are a UsageError.
TrainResult train(model::Model& model, const std::vector<Parameter>& parameters, const Objective& objective,
                  std::shared_ptr<const SampleSource> source, const TrainOptions& options, Group& group,
                  const Progress& progress = {});

}  // namespace ken::train
