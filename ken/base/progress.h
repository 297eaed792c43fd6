// Progress of a long job: a callback from the library, a line with an ETA on stderr from the CLI.
#pragma once
#include <chrono>
#include <cstdio>
#include <functional>
#include <string>
#include <string_view>

namespace ken {

// Called with (what, done, total, note); total 0 = unknown. The library never prints: cli/ passes a printer.
using Progress = std::function<void(std::string_view what, size_t done, size_t total, std::string_view note)>;

// Draws one line, rewritten in place on a terminal, at most ten times a second; elsewhere one line per tenth of the
// work.
class ProgressPrinter {
 public:
  explicit ProgressPrinter(std::FILE* out = stderr);
  void operator()(std::string_view what, size_t done, size_t total, std::string_view note);

 private:
  using Clock = std::chrono::steady_clock;
  std::FILE* out_;
  bool terminal_;
  std::string what_;
  Clock::time_point begin_, last_;
  size_t begin_done_ = 0;
  int tenth_ = -1;
};

}  // namespace ken
