// Tap points and layers as a user lists them.
#pragma once
#include <string>
#include <vector>

#include "ken/model/model.h"

namespace ken::readout {

// Points joined by +, a * for every block, in the order of the pass: what an earlier block's change may move comes
// after it.
std::vector<std::string> points_in_order(const std::string& list, const model::Model& model);

// "0,4-7": 0, 4, 5, 6, 7; none of an empty list.
std::vector<int64_t> layers_listed(const std::string& list);

}  // namespace ken::readout
