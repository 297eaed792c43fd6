// Checks that the statistics share. Private to stats/.
#pragma once
#include <cmath>
#include <limits>
#include <span>
#include <string_view>
#include <vector>

#include "ken/base/error.h"

namespace ken::stats {

inline constexpr double nan = std::numeric_limits<double>::quiet_NaN();

inline void check_numbers(std::string_view function, std::span<const double> values) {
  for (size_t i = 0; i < values.size(); ++i)
    if (std::isnan(values[i])) fail(function, "value {} of {} is NaN; leave such items out", i, values.size());
}

inline void check_scores(std::string_view function, std::span<const double> scores, std::span<const int> labels) {
  if (scores.size() != labels.size())
    fail(function, "{} scores but {} labels; there must be one label for each score", scores.size(), labels.size());
  check_numbers(function, scores);
  for (size_t i = 0; i < labels.size(); ++i)
    if (labels[i] != 0 && labels[i] != 1) fail(function, "label {} is {}; labels are 0 or 1", i, labels[i]);
}

// Indices of `values`, ascending by value; equal values by index.
std::vector<size_t> sorted_order(std::span<const double> values);

}  // namespace ken::stats
