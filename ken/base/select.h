// Choosing among items by index.
#pragma once
#include <algorithm>
#include <numeric>
#include <vector>

#include "ken/base/rng.h"

namespace ken {

template <typename T, typename Range>
bool is_in(const T& value, const Range& values) {
  return std::find(std::begin(values), std::end(values), value) != std::end(values);
}

// all[i] for each chosen index.
template <typename T, typename Index>
std::vector<T> pick(const std::vector<T>& all, const std::vector<Index>& chosen) {
  std::vector<T> result;
  result.reserve(chosen.size());
  for (const Index i : chosen) result.push_back(all[size_t(i)]);
  return result;
}

// At most `count` of the given indices, drawn by the seed, in ascending order.
inline std::vector<size_t> draw(std::vector<size_t> from, size_t count, uint64_t seed) {
  Rng(seed).shuffle(from);
  from.resize(std::min(from.size(), count));
  std::sort(from.begin(), from.end());
  return from;
}

// The same of 0 .. n - 1.
inline std::vector<size_t> draw(size_t n, size_t count, uint64_t seed) {
  std::vector<size_t> all(n);
  std::iota(all.begin(), all.end(), size_t{0});
  return draw(std::move(all), count, seed);
}

}  // namespace ken
