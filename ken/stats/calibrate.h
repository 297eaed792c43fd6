// From a score to a probability of being right: calibrators, fitted on some items and used on others.
#pragma once
#include <span>
#include <string>
#include <vector>

#include "ken/base/json.h"

namespace ken::stats {

// "temperature": sigmoid(logit(p) / T), of a score that is a probability (Guo et al. 2017); "platt": sigmoid(a s + b)
// (Platt 1999, with his targets); "isotonic": the best non-decreasing steps, by pooling adjacent violators, linear
// between their middles as scikit-learn reads them; "histogram": the share of right items in each of ten bins of as
// many items each (Zadrozny and Elkan 2001). Higher scores are surer.
inline const std::vector<std::string> calibrator_kinds = {"temperature", "platt", "isotonic", "histogram"};

class Calibrator {
 public:
  // An Error where one class is empty, a score is not finite, or a temperature is asked of what is no probability.
  static Calibrator fit(const std::string& kind, std::span<const double> scores, std::span<const int> right);
  static Calibrator from_json(const Json& json);
  Json to_json() const;
  double operator()(double score) const;  // in [0, 1]
  std::vector<double> operator()(std::span<const double> scores) const;

 private:
  std::string kind_;
  double a_ = 1, b_ = 0;       // temperature: a = 1 / T
  std::vector<double> x_, y_;  // isotonic: knots; histogram: the lower end of each bin, and its share
};

// Calibration errors over bins of as many items each (equal confidences share a bin).
double ece_equal_mass(std::span<const double> confidence, std::span<const int> right, int bins = 15);
// The same, less what a perfectly calibrated confidence of these values shows by chance (the mean of 200 redrawn sets
// of labels); not below 0.
double ece_debiased(std::span<const double> confidence, std::span<const int> right, int bins = 15, uint64_t seed = 0);
double largest_gap(std::span<const double> confidence, std::span<const int> right, int bins = 15);  // MCE, equal width

// Brier score = reliability - resolution + uncertainty (Murphy 1973), of bins of as many items each.
struct BrierParts {
  double reliability = 0, resolution = 0, uncertainty = 0;
};
BrierParts brier_parts(std::span<const double> confidence, std::span<const int> right, int bins = 15);
// Mean negative log-likelihood in nats, confidences clipped to [1e-6, 1 - 1e-6].
double nll(std::span<const double> confidence, std::span<const int> right);

// Conformal risk control (Angelopoulos et al. 2022, arXiv 2208.02814): the lowest threshold with
// n/(n+1) mean(answered and wrong) + 1/(n+1) <= risk, so that the expected share of questions that are answered and
// wrong is at most `risk`. NaN: abstain always.
double risk_control_threshold(std::span<const double> scores, std::span<const int> right, double risk);

}  // namespace ken::stats
