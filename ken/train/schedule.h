// The learning rate over a run, as a factor of its peak. Progress is a fraction of the run, so nobody has to count
// steps.
#pragma once
#include <algorithm>
#include <cmath>
#include <string>

#include "ken/base/error.h"

namespace ken::train {

struct Schedule {
  std::string kind = "linear";         // linear, cosine or constant, after the warm-up
  double warmup = 0.03, final = 0.02;  // share of the run; factor at its end

  // progress in (0, 1]: where the run stands after the step.
  double factor(double progress) const {
    if (progress < warmup) return progress / warmup;
    if (kind == "constant") return 1;
    const double p = std::clamp((progress - warmup) / std::max(1e-12, 1 - warmup), 0.0, 1.0);
    const double fall = kind == "cosine" ? 0.5 * (1 + std::cos(p * 3.14159265358979323846)) : 1 - p;
    return final + (1 - final) * fall;
  }
};

inline void check(const Schedule& s) {
  if (s.kind != "linear" && s.kind != "cosine" && s.kind != "constant") {
    fail_usage("train", "{}", unknown_name("schedule", s.kind, {"linear", "cosine", "constant"}));
  }
  if (!(s.warmup >= 0 && s.warmup < 1))
    fail_usage("train", "warm-up is {}; give the share of the run, from 0 to below 1", s.warmup);
  if (!(s.final >= 0 && s.final <= 1))
    fail_usage("train", "the final learning rate is {} of the peak; give a factor from 0 to 1", s.final);
}

}  // namespace ken::train
