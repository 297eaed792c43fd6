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

std::vector<int64_t> layers_listed(const std::string& list) {
  std::vector<int64_t> result;
  const auto number = [&](const std::string& part) {
    if (part.empty() || part.size() > 5 || part.find_first_not_of("0123456789") != std::string::npos)
      fail_usage("layers", "'{}' names no layers; write 0,4-7", list);
    return std::stoll(part);
  };
  for (size_t at = 0; at < list.size();) {
    const size_t comma = std::min(list.find(',', at), list.size());
    const std::string part = list.substr(at, comma - at);
    const size_t dash = std::min(part.find('-'), part.size());
    const int64_t first = number(part.substr(0, dash)),
                  last = dash < part.size() ? number(part.substr(dash + 1)) : first;
    if (last < first) fail_usage("layers", "'{}' ends before it begins; write 0,4-7", part);
    for (int64_t layer = first; layer <= last; ++layer) result.push_back(layer);
    at = comma + 1;
  }
  return result;
}

}  // namespace ken::readout
