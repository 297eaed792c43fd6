// k-means on the unit sphere (Dhillon and Modha 2001): centres of directions, begun by k-means++ (Arthur and
// Vassilvitskii 2007).
#pragma once
#include <cstdint>
#include <span>
#include <vector>

namespace ken::readout {

struct Clusters {
  std::vector<std::vector<double>> centres;             // unit length
  std::vector<size_t> of;                               // of each point
  size_t nearest(std::span<const double> point) const;  // by cosine; the first of equals
};

// At most `count` clusters (fewer where fewer points differ) of points that are scaled to unit length; a point of
// length 0 is an error. Stops when nothing moves, or after `rounds`.
Clusters cluster_directions(const std::vector<std::vector<double>>& points, size_t count, uint64_t seed,
                            int rounds = 100);

}  // namespace ken::readout
