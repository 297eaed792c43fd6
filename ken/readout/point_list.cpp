#include "ken/readout/point_list.h"

#include <algorithm>
#include <sstream>

#include "ken/readout/activation_stream.h"
#include "ken/readout/collect.h"

namespace ken::readout {

std::vector<std::string> points_in_order(const std::string& list, const model::Model& model) {
  std::vector<std::string> names;
  std::istringstream parts(list);
  for (std::string name; std::getline(parts, name, '+');) names.push_back(name);
  auto points = expand_points(names, model.config);
  std::stable_sort(points.begin(), points.end(),
                   [&](const auto& a, const auto& b) { return layer_of(model, a) < layer_of(model, b); });
  return points;
}

}  // namespace ken::readout
