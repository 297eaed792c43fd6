#include "ken/readout/tree.h"

#include <algorithm>
#include <cmath>

#include "ken/base/error.h"

namespace ken::readout {
namespace {

using TreeRows = std::vector<std::vector<double>>;

struct Split {
  size_t feature = 0;
  double threshold = 0, impurity = 0;
};

double impurity(double ones, double n) { return 2 * ones * (n - ones) / n; }  // Gini, times n

// The best split of one feature, or a worse one that was found before.
void try_feature(const TreeRows& rows, std::span<const int> labels, std::vector<size_t>& items, size_t feature,
                 size_t least, Split& best) {
  std::stable_sort(items.begin(), items.end(), [&](size_t a, size_t b) { return rows[a][feature] < rows[b][feature]; });
  double total = 0, ones = 0;
  for (const size_t i : items) total += labels[i];
  const double n = double(items.size());
  for (size_t k = 1; k < items.size(); ++k) {
    ones += labels[items[k - 1]];
    const double below = rows[items[k - 1]][feature], above = rows[items[k]][feature];
    if (below == above || k < least || items.size() - k < least) continue;
    const double sum = impurity(ones, double(k)) + impurity(total - ones, n - double(k));
    if (sum < best.impurity - 1e-12) best = {feature, (below + above) / 2, sum};
  }
}

}  // namespace

size_t Tree::grow(const TreeRows& rows, std::span<const int> labels, std::vector<size_t> items, int depth,
                  size_t least) {
  const size_t at = nodes_.size();
  double ones = 0;
  for (const size_t i : items) ones += labels[i];
  const double n = double(items.size()), before = impurity(ones, n);
  nodes_.push_back({.share = ones / n});
  Split best{.impurity = before};
  for (size_t f = 0; depth > 0 && f < rows[0].size(); ++f) try_feature(rows, labels, items, f, least, best);
  if (!(best.impurity < before)) return at;
  const auto middle = std::stable_partition(items.begin(), items.end(),
                                            [&](size_t i) { return rows[i][best.feature] <= best.threshold; });
  const size_t left = grow(rows, labels, {items.begin(), middle}, depth - 1, least),
               right = grow(rows, labels, {middle, items.end()}, depth - 1, least);
  nodes_[at].feature = best.feature, nodes_[at].threshold = best.threshold;
  nodes_[at].left = left, nodes_[at].right = right;
  return at;
}

Tree Tree::fit(const TreeRows& rows, std::span<const int> labels, int depth, size_t least) {
  if (rows.empty() || rows.size() != labels.size())
    fail("tree", "{} rows for {} labels; give at least one row and as many labels", rows.size(), labels.size());
  for (const auto& row : rows) {
    for (const double x : row)
      if (std::isnan(x)) fail("tree", "a feature is NaN; leave such rows out");
    if (row.size() != rows[0].size()) fail("tree", "rows of {} and of {} features", rows[0].size(), row.size());
  }
  std::vector<size_t> items(rows.size());
  for (size_t i = 0; i < items.size(); ++i) items[i] = i;
  Tree tree;
  tree.grow(rows, labels, std::move(items), depth, std::max<size_t>(1, least));
  return tree;
}

double Tree::operator()(std::span<const double> row) const {
  size_t at = 0;
  while (nodes_[at].left > 0) at = row[nodes_[at].feature] <= nodes_[at].threshold ? nodes_[at].left : nodes_[at].right;
  return nodes_[at].share;
}

}  // namespace ken::readout
