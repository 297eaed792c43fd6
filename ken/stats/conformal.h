// Split conformal prediction (Vovk, Gammerman and Shafer 2005): sets of labels that hold the true one with a chosen
// probability, from the non-conformity of calibration items that no fit has seen.
#pragma once
#include <span>
#include <vector>

namespace ken::stats {

// How strange a label looks. Binary: exp(-y f), of a margin f and a label y in {-1, 1}. Several classes:
// (1 - (p_y - max_{k != y} p_k)) / 2, of the classes' probabilities.
double nonconformity(double margin, int label);
double nonconformity(std::span<const double> probabilities, int label);

class Conformal {
 public:
  // `scores`: the non-conformity of each calibration item's own label.
  explicit Conformal(std::vector<double> scores);
  // (#{calibration scores >= score} + 1) / (n + 1)
  double p_value(double score) const;
  // The labels whose p-value is above alpha, ascending.
  std::vector<int> set(std::span<const double> probabilities, double alpha) const;
  std::vector<int> set(double margin, double alpha) const;  // of {-1, 1}

 private:
  std::vector<double> scores_;  // ascending
};

// The sets of items by rows of class probabilities (row-major), after calibration items with known labels.
std::vector<std::vector<int>> conformal_sets(std::span<const double> calibration, std::span<const int> labels,
                                             std::span<const double> items, double alpha);

// What sets say of items with known labels: a set of one label is an answer, any other one an abstention.
struct ConformalReport {
  double coverage = 0;               // share of sets that hold the true label
  double answered = 0;               // share of sets of one label
  double empty = 0;                  // share of sets without a label
  std::vector<int> answers, actual;  // of the answered items
};
ConformalReport report(const std::vector<std::vector<int>>& sets, std::span<const int> labels);

}  // namespace ken::stats
