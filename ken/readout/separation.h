// How well a few coordinates tell classes apart that were not used to find them: what a plane shows that an axis
// merges.
#pragma once
#include "ken/nn/torch.h"
#include "ken/stats/stats.h"

namespace ken::readout {

using at::Tensor;

struct Classes {
  std::vector<int> of;              // class of each item
  std::vector<std::string> names;   // of the classes
  std::vector<std::string> groups;  // one an item: groups stand on one side of a split and are drawn whole
};

// Of several readings of the same items.
struct Separation {
  std::vector<stats::Number> macro;  // mean over the classes of the AUROC of one against the rest
  std::vector<stats::Number> above;  // what the first reading's is above each other's, on the same draws; [0] is 0
  std::vector<std::vector<double>> one_against_rest;  // [reading][class]
};

// Each reading is the coordinates [n, r] of the n items. Logistic regression of the coordinates, their squares and
// products (so that a class that lies between two others on one axis can be read as well), held out by group;
// intervals by drawing groups.
Separation separate(const std::vector<Tensor>& readings, const Classes& classes, uint64_t seed);

}  // namespace ken::readout
