#include "ken/base/progress.h"

#include <fmt/format.h>
#include <unistd.h>

namespace ken {
namespace {

std::string clock_text(double seconds) {
  const long s = long(seconds + 0.5);
  return s >= 3600 ? fmt::format("{}:{:02}:{:02}", s / 3600, s / 60 % 60, s % 60)
                   : fmt::format("{}:{:02}", s / 60, s % 60);
}

}  // namespace

ProgressPrinter::ProgressPrinter(std::FILE* out) : out_(out), terminal_(::isatty(::fileno(out)) == 1) {}

void ProgressPrinter::operator()(std::string_view what, size_t done, size_t total, std::string_view note) {
  const auto now = Clock::now();
  if (what != what_) {
    what_ = what;
    begin_ = now;
    begin_done_ = done;  // a resumed job's speed counts only what this run did
    last_ = {};
    tenth_ = -1;
  }
  const bool end = total > 0 && done >= total;
  const int tenth = total > 0 ? int(done * 10 / total) : 0;
  if (!end && (terminal_ ? now - last_ < std::chrono::milliseconds(100) : tenth == tenth_)) return;
  last_ = now;
  tenth_ = tenth;
  const double elapsed = std::chrono::duration<double>(now - begin_).count();
  std::string eta;
  if (end) {
    eta = "in " + clock_text(elapsed);
  } else if (done > begin_done_ && total > 0) {
    eta = "ETA " + clock_text(elapsed / double(done - begin_done_) * double(total - done));
  }
  const std::string line = fmt::format("{:<28} {:>7}/{} {}  {}", what, done, total, eta, note);
  // On a terminal the line is rewritten in place, padded over what stood there before.
  // Not fmt::print: it throws where the file is full, and no job may end because nobody hears its progress.
  std::fputs(
      fmt::format("{}{:<{}}{}", terminal_ ? "\r" : "", line, terminal_ ? 78 : 0, terminal_ && !end ? "" : "\n").c_str(),
      out_);
  std::fflush(out_);
}

}  // namespace ken
