// A shallow decision tree for two classes (Breiman et al. 1984): each split is the one of least Gini impurity.
#pragma once
#include <cstddef>
#include <span>
#include <vector>

namespace ken::readout {

class Tree {
 public:
  // rows[i] are the features of item i. A leaf keeps at least `least` items; a split must lower the impurity.
  static Tree fit(const std::vector<std::vector<double>>& rows, std::span<const int> labels, int depth, size_t least);
  double operator()(std::span<const double> row) const;  // the share of label 1 in the row's leaf

 private:
  struct Node {
    size_t feature = 0, left = 0, right = 0;  // left: not above the threshold; 0: this is a leaf
    double threshold = 0, share = 0;
  };
  size_t grow(const std::vector<std::vector<double>>& rows, std::span<const int> labels, std::vector<size_t> items,
              int depth, size_t least);
  std::vector<Node> nodes_;
};

}  // namespace ken::readout
