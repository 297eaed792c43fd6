#include "ken/stats/conformal.h"

#include <algorithm>
#include <cmath>

#include "ken/stats/checks.h"

namespace ken::stats {

double nonconformity(double margin, int label) { return std::exp(-label * margin); }

double nonconformity(std::span<const double> probabilities, int label) {
  if (probabilities.size() < 2 || label < 0 || size_t(label) >= probabilities.size())
    fail("nonconformity", "label {} of {} classes; there must be two or more and the label one of them", label,
         probabilities.size());
  double other = -std::numeric_limits<double>::infinity();
  for (size_t k = 0; k < probabilities.size(); ++k)
    if (k != size_t(label)) other = std::max(other, probabilities[k]);
  return (1 - (probabilities[size_t(label)] - other)) / 2;
}

Conformal::Conformal(std::vector<double> scores) : scores_(std::move(scores)) {
  check_numbers("conformal", scores_);
  if (scores_.empty()) fail("conformal", "there is no calibration item; set some apart");
  std::sort(scores_.begin(), scores_.end());
}

double Conformal::p_value(double score) const {
  const auto above = scores_.end() - std::lower_bound(scores_.begin(), scores_.end(), score);
  return (double(above) + 1) / (double(scores_.size()) + 1);
}

std::vector<int> Conformal::set(std::span<const double> probabilities, double alpha) const {
  std::vector<int> labels;
  for (int k = 0; k < int(probabilities.size()); ++k)
    if (p_value(nonconformity(probabilities, k)) > alpha) labels.push_back(k);
  return labels;
}

std::vector<int> Conformal::set(double margin, double alpha) const {
  std::vector<int> labels;
  for (const int label : {-1, 1})
    if (p_value(nonconformity(margin, label)) > alpha) labels.push_back(label);
  return labels;
}

std::vector<std::vector<int>> conformal_sets(std::span<const double> calibration, std::span<const int> labels,
                                             std::span<const double> items, double alpha) {
  if (labels.empty() || calibration.size() % labels.size() || items.size() % (calibration.size() / labels.size()))
    fail("conformal", "{} probabilities of {} calibration items and {} of others; give rows of the same length",
         calibration.size(), labels.size(), items.size());
  const size_t classes = calibration.size() / labels.size();
  std::vector<double> scores;
  for (size_t i = 0; i < labels.size(); ++i)
    scores.push_back(nonconformity(calibration.subspan(i * classes, classes), labels[i]));
  const Conformal conformal(std::move(scores));
  std::vector<std::vector<int>> sets;
  for (size_t i = 0; i < items.size(); i += classes) sets.push_back(conformal.set(items.subspan(i, classes), alpha));
  return sets;
}

ConformalReport report(const std::vector<std::vector<int>>& sets, std::span<const int> labels) {
  if (sets.size() != labels.size() || sets.empty())
    fail("conformal", "{} sets but {} labels; there must be one of each for an item", sets.size(), labels.size());
  ConformalReport result;
  for (size_t i = 0; i < sets.size(); ++i) {
    result.coverage += std::count(sets[i].begin(), sets[i].end(), labels[i]) > 0;
    result.empty += sets[i].empty();
    if (sets[i].size() != 1) continue;
    result.answers.push_back(sets[i].front());
    result.actual.push_back(labels[i]);
  }
  const double n = double(sets.size());
  result.coverage /= n, result.empty /= n, result.answered = double(result.answers.size()) / n;
  return result;
}

}  // namespace ken::stats
