// Agreement of predicted with actual classes, numbered from 0.
#pragma once
#include <cstdint>
#include <span>

#include "ken/stats/stats.h"

namespace ken::stats {

Number right_share(std::span<const int> predicted, std::span<const int> actual, const std::string& metric);
double accuracy(std::span<const int> predicted, std::span<const int> actual);
// The mean over the classes that occur of the share of their items that is predicted rightly.
double balanced_accuracy(std::span<const int> predicted, std::span<const int> actual);
// Matthews correlation of any number of classes (Gorodkin 2004); 0 where one side names a single class.
double matthews(std::span<const int> predicted, std::span<const int> actual);

}  // namespace ken::stats
