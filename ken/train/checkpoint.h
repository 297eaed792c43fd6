// A checkpoint: everything the next step depends on, in one safetensors file.
#pragma once
#include "ken/train/optimizer.h"

namespace ken::train {

struct Progressed {
  int64_t steps = 0, position = 0, tokens = 0, documents = 0;
  int64_t log_bytes = 0;  // of log.jsonl up to here
};

void save_checkpoint(const fs::path& path, const Json& run, const Progressed& at,
                     const std::vector<Parameter>& parameters, const Optimizer& optimizer);
// Restores parameters and optimiser in place. A checkpoint of another run (`run` differs) is a UsageError, a damaged
// one an Error.
Progressed load_checkpoint(const fs::path& path, const Json& run, const std::vector<Parameter>& parameters,
                           Optimizer& optimizer);

}  // namespace ken::train
