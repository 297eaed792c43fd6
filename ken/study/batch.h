// A batch: ken commands described in one file, checked and put in order before anything runs.
// docs/run.md shows the forms of the file.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "ken/base/files.h"

namespace ken::study {

struct Job {
  std::string id;                 // also the name of its folder
  std::vector<std::string> args;  // what follows "ken"
  std::vector<size_t> after;      // places in Batch::jobs, each before this one
};

struct Batch {
  std::string name;
  fs::path out;
  std::vector<Job> jobs;  // in an order in which they can run

  fs::path folder(const Job& job) const { return out / job.id; }
};

// `file` is named in errors and names the batch where the text does not; an empty `out` is runs/NAME; `commands` are
// the names that may stand first in a command. Every rule that is broken is a UsageError.
Batch parse_batch(std::string_view text, const fs::path& file, const fs::path& out,
                  const std::vector<std::string>& commands);

// Words as a shell cuts them: quotes ' and ", backslash, and # before a word begins a comment. Nothing is expanded.
std::vector<std::string> split_words(std::string_view text);
// The inverse, for showing a command.
std::string join_words(const std::vector<std::string>& words);

}  // namespace ken::study
