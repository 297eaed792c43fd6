#include "ken/readout/clusters.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "ken/base/error.h"
#include "ken/base/rng.h"

namespace ken::readout {
namespace {

using PointSet = std::vector<std::vector<double>>;

double dot(std::span<const double> a, std::span<const double> b) {
  return std::inner_product(a.begin(), a.end(), b.begin(), 0.0);
}

// False: it has no direction.
bool scale(std::vector<double>& point) {
  const double length = std::sqrt(dot(point, point));
  if (!(length > 0)) return false;
  for (double& x : point) x /= length;
  return true;
}

// Each further centre is a point, drawn by its squared distance to the nearest centre.
PointSet begin(const PointSet& points, size_t count, Rng& rng) {
  PointSet centres{points[rng.below(points.size())]};
  std::vector<double> distance(points.size(), 4);
  while (centres.size() < count) {
    double total = 0;
    for (size_t i = 0; i < points.size(); ++i) {
      distance[i] = std::min(distance[i], std::max(0.0, 2 - 2 * dot(points[i], centres.back())));
      if (distance[i] < 1e-12) distance[i] = 0;
      total += distance[i];
    }
    if (total <= 0) break;
    double place = rng.uniform() * total;
    size_t chosen = 0;
    for (size_t i = 0; i < points.size(); ++i) {
      if (distance[i] <= 0) continue;
      chosen = i, place -= distance[i];
      if (place < 0) break;
    }
    centres.push_back(points[chosen]);
  }
  return centres;
}

}  // namespace

size_t Clusters::nearest(std::span<const double> point) const {
  size_t best = 0;
  double most = -INFINITY;
  for (size_t c = 0; c < centres.size(); ++c)
    if (const double near = dot(point, centres[c]); near > most) most = near, best = c;
  return best;
}

Clusters cluster_directions(const PointSet& given, size_t count, uint64_t seed, int rounds) {
  if (given.empty() || count == 0)
    fail("clusters", "{} points in {} clusters; at least one of each", given.size(), count);
  PointSet points = given;
  for (size_t i = 0; i < points.size(); ++i)
    if (!scale(points[i])) fail("clusters", "point {} of {} has length 0 and no direction", i, points.size());
  Rng rng(seed);
  Clusters result{begin(points, count, rng), std::vector<size_t>(points.size(), SIZE_MAX)};
  for (int round = 0; round < rounds; ++round) {
    bool moved = false;
    PointSet sums(result.centres.size(), std::vector<double>(points[0].size()));
    for (size_t i = 0; i < points.size(); ++i) {
      const size_t c = result.nearest(points[i]);
      moved |= c != result.of[i], result.of[i] = c;
      for (size_t d = 0; d < points[i].size(); ++d) sums[c][d] += points[i][d];
    }
    if (!moved) break;
    for (size_t c = 0; c < sums.size(); ++c)
      if (scale(sums[c])) result.centres[c] = std::move(sums[c]);  // a centre that lost its points stays
  }
  return result;
}

}  // namespace ken::readout
