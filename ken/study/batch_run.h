// Runs a batch and keeps account of it on disk, so that the same call goes on where the last one ended.
#pragma once
#include <functional>

#include "ken/base/json.h"
#include "ken/base/process.h"
#include "ken/base/progress.h"
#include "ken/study/batch.h"

namespace ken::study {

// Runs the arguments (without the program's name) with stdout, stderr in the folder; the tests pass one without
// processes.
using Runner =
    std::function<ChildEnd(const std::vector<std::string>& args, const fs::path& folder, const std::function<void()>&)>;

struct BatchOptions {
  bool keep_going = false;     // after a failure, run what does not wait for the failed command
  std::string program_sha256;  // written into each status
  Progress progress;
  std::function<void(const Json& status)> report;  // each job's status, when it is known
};

struct BatchResult {
  size_t done = 0, skipped = 0, failed = 0, left = 0;  // skipped: done in an earlier run; left: not run
  int interrupted = 0;                                 // the signal that ended the run
};

// What DIR/ID/status.json holds for every job: {id, state, args, args_sha256, program_sha256, exit_code, seconds}.
// State: "done", "failed", "interrupted" or "running" on disk; of a plan also "to run", of a run also "not run".
// args_sha256 covers the arguments and, through theirs, those of the jobs it comes after.
std::vector<Json> plan_batch(const Batch& batch);
BatchResult run_batch(const Batch& batch, const Runner& runner, const BatchOptions& options);

// The last line that says something in DIR/ID/stderr; empty if there is none.
std::string last_words(const fs::path& folder);

}  // namespace ken::study
