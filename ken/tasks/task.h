// A benchmark: how its file is read into items, and what is counted. A file of this folder registers itself under its
// name; the runner (ken eval) asks the model and writes results as lm-evaluation-harness does.
#pragma once
#include "ken/base/registry.h"
#include "ken/data/prompts.h"
#include "ken/data/record_fields.h"
#include "ken/evidence/options.h"
#include "ken/io/records.h"

namespace ken::tasks {

// One question. With options, each is scored by its log-likelihood after the prompt; without, an answer is generated.
struct Item {
  std::string id, where;        // where: "file.jsonl:7", for errors
  Json doc;                     // the record as it was read
  std::string prompt;           // what the model reads after the description and the worked examples
  std::string without_context;  // open answers beside a passage: the same without it
  std::vector<std::string> options;
  std::vector<size_t> gold;          // right options
  std::vector<std::string> answers;  // accepted open answers, the best first
  Json labels = Json::object();      // whatever else a benchmark needs to score the item
};

struct Items {
  std::string description;        // stands once, before the worked examples
  std::vector<std::string> stop;  // an open answer ends before any of these
  int64_t max_tokens = 16;        // the longest open answer
  std::vector<Item> items;        // all with options, or all without
};

struct Metric {
  std::string name, meaning;
  bool higher_is_better = true;
};

struct TaskInput {
  fs::path file;
  Json params;  // complete and checked
  data::PromptStyle style;
};

struct TaskEntry {
  Card card;                         // family "tasks"
  std::string file;                  // what the file is and where it comes from
  bool open = false;                 // whether its answers are always generated
  bool styled = false;               // prompts are in the style it is given; else they are the benchmark's own words
  std::vector<Metric> metrics = {};  // empty: the standard ones below
  Items (*read)(const TaskInput& input) = nullptr;
  // {metric: number} of one item with options; null: the standard ones.
  Json (*score)(const Item& item, const std::vector<evidence::OptionScore>& scores) = nullptr;
};

// acc, acc_norm (per character, as lm-evaluation-harness counts), acc_bytes; or exact_match and contains.
std::vector<Metric> standard_metrics(bool open);
Json score_choice(const Item& item, const std::vector<evidence::OptionScore>& scores);
Json score_answer(const Item& item, const std::string& answer);

// The option that is likeliest, and likeliest per unit of length; of equals the first.
size_t best_option(const std::vector<evidence::OptionScore>& scores, const std::vector<size_t>& lengths = {});

using Fields = data::RecordFields;

}  // namespace ken::tasks
