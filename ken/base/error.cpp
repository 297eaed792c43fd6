#include "ken/base/error.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <numeric>

namespace ken {
namespace {

size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t substituted = diagonal + (a[i - 1] != b[j - 1]);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, substituted});
    }
  }
  return row[b.size()];
}

}  // namespace

std::vector<std::string> near_names(std::string_view name, const std::vector<std::string>& known) {
  name = name.substr(0, 256);  // a hostile name must not cost a quadratic comparison
  std::vector<std::pair<size_t, std::string>> ranked;
  for (const auto& candidate : known) {
    const size_t distance = edit_distance(name, candidate);
    const bool contains = name.size() >= 3 && candidate.find(name) != std::string::npos;
    if (contains || distance <= std::max<size_t>(2, candidate.size() / 3)) ranked.emplace_back(distance, candidate);
  }
  std::sort(ranked.begin(), ranked.end());
  std::vector<std::string> result;
  for (size_t i = 0; i < std::min<size_t>(3, ranked.size()); ++i) result.push_back(ranked[i].second);
  return result;
}

std::string unknown_name(std::string_view kind, std::string_view name, const std::vector<std::string>& known) {
  const auto near = near_names(name, known);
  if (!near.empty()) return fmt::format("unknown {} '{}'; did you mean {}?", kind, name, fmt::join(near, " or "));
  if (known.size() <= 32) return fmt::format("unknown {} '{}'; known: {}", kind, name, fmt::join(known, ", "));
  return fmt::format("unknown {} '{}'", kind, name);
}

}  // namespace ken
