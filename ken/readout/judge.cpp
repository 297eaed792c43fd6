#include "ken/readout/judge.h"

#include <algorithm>
#include <map>
#include <numeric>
#include <set>

#include "ken/base/error.h"
#include "ken/stats/finite.h"

namespace ken::readout {
namespace {

// The best probe on the items outside one fold.
size_t best_without(const std::vector<std::vector<double>>& all, std::span<const int> labels, std::span<const int> fold,
                    int left_out, const Criterion& criterion) {
  std::vector<int> others;
  for (size_t i = 0; i < fold.size(); ++i)
    if (fold[i] != left_out) others.push_back(labels[i]);
  std::vector<double> values, scores;
  for (const auto& probe : all) {
    scores.clear();
    for (size_t i = 0; i < fold.size(); ++i)
      if (fold[i] != left_out) scores.push_back(probe[i]);
    values.push_back(criterion(scores, others));
  }
  return size_t(std::max_element(values.begin(), values.end()) - values.begin());
}

double auroc_in(std::span<const double> scores, std::span<const int> labels, std::span<const int> set, int which) {
  std::vector<double> some;
  std::vector<int> some_labels;
  for (size_t i = 0; i < set.size(); ++i)
    if (set[i] == which && !std::isnan(scores[i])) some.push_back(scores[i]), some_labels.push_back(labels[i]);
  return some.empty() ? NAN : stats::auroc(some, some_labels);
}

Json mean_or_null(const std::vector<double>& values) {
  return values.empty() ? Json(nullptr) : stats::finite_or_null(stats::mean_of(values));
}

}  // namespace

std::vector<double> doubles(const Tensor& row) {
  const Tensor values = row.to(at::kCPU, at::kDouble).contiguous();
  return {values.data_ptr<double>(), values.data_ptr<double>() + values.numel()};
}

std::vector<double> chosen_on_other_folds(const std::vector<std::vector<double>>& all, std::span<const int> labels,
                                          std::span<const int> fold, const Criterion& criterion,
                                          std::vector<size_t>* chosen) {
  if (all.empty()) fail("judge", "there is no probe to choose; give one or more");
  std::vector<double> result(labels.size());
  if (chosen) chosen->assign(labels.size(), 0);
  for (const int f : std::set<int>(fold.begin(), fold.end())) {
    const size_t best = best_without(all, labels, fold, f, criterion);
    for (size_t i = 0; i < fold.size(); ++i) {
      if (fold[i] != f) continue;
      result[i] = all[best][i];
      if (chosen) (*chosen)[i] = best;
    }
  }
  return result;
}

stats::Number auroc_of(std::span<const double> scores, std::span<const int> labels, std::span<const std::string> groups,
                       uint64_t seed, const std::string& metric) {
  return stats::bootstrap(scores, labels, groups, stats::auroc, seed, metric);
}

Json cross_matrix(const Tensor& scores, std::span<const int> labels, std::span<const int> set,
                  const std::vector<std::string>& names, std::span<const double> baseline) {
  Json table{{"sets", names}};
  std::vector<double> within, across, above;
  for (int a = 0; a < int(names.size()); ++a) {
    const std::vector<double> of = doubles(scores[a]);
    Json row = Json::array(), gain = Json::array();
    for (int b = 0; b < int(names.size()); ++b) {
      const double area = auroc_in(of, labels, set, b), plain = auroc_in(baseline, labels, set, b);
      row.push_back(stats::finite_or_null(area)), gain.push_back(stats::finite_or_null(area - plain));
      if (std::isnan(area)) continue;
      (a == b ? within : across).push_back(area);
      if (a != b) above.push_back(area - plain);
    }
    table["auroc"].push_back(row), table["above_baseline"].push_back(gain);
  }
  table["within"] = mean_or_null(within);
  table["across"] = mean_or_null(across);
  table["across_above_baseline"] = mean_or_null(above);
  return table;
}

double auprc(std::span<const double> scores, std::span<const int> labels) {
  std::vector<size_t> order(scores.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) { return scores[a] > scores[b]; });
  const double positives = double(std::count(labels.begin(), labels.end(), 1));
  if (positives == 0 || positives == double(labels.size())) return NAN;
  double area = 0, found = 0;
  for (size_t i = 0; i < order.size();) {
    double hits = 0;
    size_t end = i;
    for (; end < order.size() && scores[order[end]] == scores[order[i]]; ++end) hits += labels[order[end]];
    found += hits;
    area += hits / positives * found / double(end);
    i = end;
  }
  return area;
}

double balanced_accuracy(std::span<const double> scores, std::span<const int> labels,
                         std::span<const std::string> cells, double threshold) {
  std::map<std::string_view, std::pair<double, double>> of_cell;  // right, all
  for (size_t i = 0; i < scores.size(); ++i) {
    auto& [right, all] = of_cell[cells[i]];
    right += (scores[i] > threshold) == (labels[i] == 1);
    all += 1;
  }
  double sum = 0;
  for (const auto& [cell, counts] : of_cell) sum += counts.first / counts.second;
  return sum / double(of_cell.size());
}

}  // namespace ken::readout
