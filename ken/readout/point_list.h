// Tap points as a user lists them.
#pragma once
#include <string>
#include <vector>

#include "ken/model/model.h"

namespace ken::readout {

// Points joined by +, a * for every block, in the order of the pass: what an earlier block's change may move comes
// after it.
std::vector<std::string> points_in_order(const std::string& list, const model::Model& model);

}  // namespace ken::readout
