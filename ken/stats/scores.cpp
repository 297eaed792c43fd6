// How well scores separate, and how honest confidences are: AUROC, calibration, selective prediction.
#include <algorithm>
#include <numeric>

#include "ken/stats/checks.h"
#include "ken/stats/stats.h"

namespace ken::stats {
namespace {

// Answers from the surest on, items of equal score as one group.
struct Group {
  double score;
  int64_t n, wrong;
};

std::vector<Group> surest_first(std::span<const double> scores, std::span<const int> right) {
  const std::vector<size_t> order = sorted_order(scores);
  std::vector<Group> groups;
  for (auto item = order.rbegin(); item != order.rend(); ++item) {
    if (groups.empty() || groups.back().score != scores[*item]) groups.push_back({scores[*item], 0, 0});
    ++groups.back().n;
    groups.back().wrong += 1 - right[*item];
  }
  return groups;
}

// Mean over k = 1..n of the share of wrong answers among the first k; within a group, in its average order.
double mean_risk(const std::vector<Group>& groups) {
  int64_t n = 0, wrong = 0;
  double sum = 0;
  for (const Group& group : groups) {
    const double share = double(group.wrong) / double(group.n);
    for (int64_t i = 1; i <= group.n; ++i) sum += (double(wrong) + share * double(i)) / double(n + i);
    n += group.n;
    wrong += group.wrong;
  }
  return sum / double(n);
}

void check_confidence(std::string_view function, std::span<const double> confidence, std::span<const int> right) {
  check_scores(function, confidence, right);
  for (size_t i = 0; i < confidence.size(); ++i)
    if (confidence[i] < 0 || confidence[i] > 1)
      fail(function, "confidence {} is {}; confidences lie in [0, 1]", i, confidence[i]);
}

std::vector<Bin> fill_bins(std::string_view function, std::span<const double> confidence, std::span<const int> right,
                           int bins) {
  check_confidence(function, confidence, right);
  if (bins < 1 || bins > 1'000'000) fail(function, "{} bins; take 1 to 1000000", bins);
  std::vector<Bin> result(bins);
  for (int i = 0; i < bins; ++i) result[i] = {double(i) / bins, double(i + 1) / bins, 0, 0, 0};
  for (size_t i = 0; i < confidence.size(); ++i) {
    Bin& bin = result[std::min(int(confidence[i] * bins), bins - 1)];
    bin.confidence += confidence[i];
    bin.accuracy += right[i];
    ++bin.n;
  }
  std::erase_if(result, [](const Bin& bin) { return bin.n == 0; });
  for (Bin& bin : result) {
    bin.confidence /= double(bin.n);
    bin.accuracy /= double(bin.n);
  }
  return result;
}

}  // namespace

// Values are sorted together with their places, and a bootstrap's are sorted already: it comes here thousands of times.
std::vector<size_t> sorted_order(std::span<const double> values) {
  if (std::is_sorted(values.begin(), values.end())) {
    std::vector<size_t> order(values.size());
    std::iota(order.begin(), order.end(), size_t{0});
    return order;
  }
  std::vector<std::pair<double, size_t>> items(values.size());
  for (size_t i = 0; i < values.size(); ++i) items[i] = {values[i], i};
  std::sort(items.begin(), items.end());
  std::vector<size_t> order(values.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = items[i].second;
  return order;
}

// Mann and Whitney's U over the number of pairs: how often a right item outscores a wrong one.
double auroc(std::span<const double> scores, std::span<const int> labels) {
  check_scores("auroc", scores, labels);
  double wins = 0, right = 0, wrong = 0;
  for (const Group& group : surest_first(scores, labels)) {
    const double group_wrong = double(group.wrong), group_right = double(group.n - group.wrong);
    wins += group_wrong * (right + group_right / 2);
    right += group_right;
    wrong += group_wrong;
  }
  return right == 0 || wrong == 0 ? nan : wins / (right * wrong);
}

// Expected calibration error (Naeini et al. 2015; Guo et al. 2017): |accuracy - confidence|, weighted by bin size.
double ece(std::span<const double> confidence, std::span<const int> right, int bins) {
  double sum = 0;
  for (const Bin& bin : fill_bins("ece", confidence, right, bins))
    sum += double(bin.n) * std::abs(bin.accuracy - bin.confidence);
  return confidence.empty() ? nan : sum / double(confidence.size());
}

double ece15(std::span<const double> confidence, std::span<const int> right) { return ece(confidence, right, 15); }

double brier(std::span<const double> confidence, std::span<const int> right) {
  check_confidence("brier", confidence, right);
  double sum = 0;
  for (size_t i = 0; i < confidence.size(); ++i) sum += (confidence[i] - right[i]) * (confidence[i] - right[i]);
  return confidence.empty() ? nan : sum / double(confidence.size());
}

std::vector<Bin> reliability(std::span<const double> confidence, std::span<const int> right, int bins) {
  return fill_bins("reliability", confidence, right, bins);
}

std::vector<RiskPoint> risk_coverage(std::span<const double> scores, std::span<const int> right) {
  check_scores("risk_coverage", scores, right);
  std::vector<RiskPoint> points;
  int64_t n = 0, wrong = 0;
  for (const Group& group : surest_first(scores, right)) {
    n += group.n;
    wrong += group.wrong;
    points.push_back({double(n) / double(scores.size()), double(wrong) / double(n), group.score, n});
  }
  return points;
}

double aurc(std::span<const double> scores, std::span<const int> right) {
  check_scores("aurc", scores, right);
  return scores.empty() ? nan : mean_risk(surest_first(scores, right));
}

// How much of the way from random to perfect rejection the scores go (Malinin et al. 2017), with the area under the
// error rate of the answers kept, as LM-Polygraph (Fadeeva et al. 2023) computes it. NaN if all or none are right.
double prr(std::span<const double> scores, std::span<const int> right) {
  check_scores("prr", scores, right);
  const int64_t n = int64_t(right.size()), good = std::accumulate(right.begin(), right.end(), int64_t{0});
  if (good == 0 || good == n) return nan;
  const double random = double(n - good) / double(n);
  const double perfect = mean_risk({{1, good, 0}, {0, n - good, n - good}});
  return (random - mean_risk(surest_first(scores, right))) / (random - perfect);
}

}  // namespace ken::stats
