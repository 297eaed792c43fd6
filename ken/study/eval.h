// Runs a benchmark: asks a model its items and writes results.json and samples_TASK.jsonl in the form of
// lm-evaluation-harness, so that its readers (tables, leaderboards, comparisons) read ours.
#pragma once
#include <optional>

#include "ken/base/progress.h"
#include "ken/data/prompt_choice.h"
#include "ken/generate/generate.h"
#include "ken/tasks/task.h"

namespace ken::study {

struct EvalOptions {
  fs::path out;
  nn::Compute compute = nn::Compute::fast;
  size_t limit = 0;  // score at most this many items, the first ones; 0: all
  // The first items stand before each question as worked examples and are not scored. Without a value: 5 where open
  // questions are put to a base model (neither a form of its own nor a chat), else none.
  std::optional<size_t> fewshot;
  data::PromptChoice prompt;     // its shots and seed are not used: `fewshot` and `seed` are
  std::optional<uint64_t> seed;  // shuffles the items before `fewshot` and `limit` take theirs; else the file's order
  std::vector<generate::ControlSpec> controls;  // on open answers
  Progress progress;
};

struct EvalResult {
  Json results;                   // what results.json holds
  size_t items = 0, resumed = 0;  // scored in all, and found finished
};

// `params` as from parse_named_params. A killed run goes on in the same folder and ends with the same bytes; times are
// in run.json alone.
EvalResult evaluate(const model::Model& model, const tasks::TaskEntry& task, const Json& params, const fs::path& file,
                    const EvalOptions& options);

}  // namespace ken::study
