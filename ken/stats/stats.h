// Statistics of predictions. Scores are "higher is surer"; labels are 1 = right.
#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "ken/base/json.h"

namespace ken::stats {

// A number as study.json writes it.
struct Number {
  double value = 0;  // NaN is written as null
  int64_t n = 0;
  double low = 0, high = 0;  // 95 % interval; NaN = none
  std::string metric;
};
Json to_json(const Number& number);

double auroc(std::span<const double> scores,
             std::span<const int> labels);  // ties count half; NaN if one class is empty
double ece(std::span<const double> confidence, std::span<const int> right, int bins = 15);  // equal width, in [0, 1]
double brier(std::span<const double> confidence, std::span<const int> right);

struct Bin {
  double low, high, confidence, accuracy;
  int64_t n;
};
std::vector<Bin> reliability(std::span<const double> confidence, std::span<const int> right,
                             int bins = 10);  // empty bins left out

struct RiskPoint {
  double coverage, risk, threshold;
  int64_t n;
};
// Answer the surest first; equal scores enter together, so order of items cannot matter.
std::vector<RiskPoint> risk_coverage(std::span<const double> scores, std::span<const int> right);
double aurc(std::span<const double> scores, std::span<const int> right);  // mean risk over coverages k/n, ties averaged
double prr(std::span<const double> scores, std::span<const int> right);   // prediction-rejection ratio

// Means of 0/1 with Wilson's interval; means of reals with the percentile bootstrap.
Number proportion(int64_t hits, int64_t n, const std::string& metric);
Number mean(std::span<const double> values, uint64_t seed, const std::string& metric, int resamples = 1000);
// Bootstrap over items of any statistic of (scores, labels); resamples in which it is NaN are left out.
Number bootstrap(std::span<const double> scores, std::span<const int> labels,
                 double (*statistic)(std::span<const double>, std::span<const int>), uint64_t seed,
                 const std::string& metric, int resamples = 500);
// The same over groups: whole groups are drawn, since items of a group lean on each other.
Number bootstrap(std::span<const double> scores, std::span<const int> labels, std::span<const std::string> groups,
                 double (*statistic)(std::span<const double>, std::span<const int>), uint64_t seed,
                 const std::string& metric, int resamples = 500);
double ece15(std::span<const double> confidence, std::span<const int> right);

// Temperature scaling of one probability: sigmoid(logit(p) / T). The T in [0.05, 20] of least negative log-likelihood;
// NaN where one class is empty.
double fit_temperature(std::span<const double> probability, std::span<const int> right);
double tempered(double probability, double temperature);
// Abstention with a promise: the lowest threshold such that, with probability 1 - delta over these items, at most
// `risk` of the answers with score >= threshold are wrong. Coverages of a fixed grid are tested from strict to loose by
// the exact binomial (Clopper and Pearson 1934) until one fails: fixed-sequence testing, each at full level
// (Angelopoulos et al. 2021, arXiv 2110.01052). `starts` sequences begin at spread coverages and share delta, since one
// that begins too strict dies of a single error. NaN: nothing can be promised, abstain always.
double certified_threshold(std::span<const double> scores, std::span<const int> right, double risk, double delta,
                           int starts = 4);
double binomial_tail(int64_t hits, int64_t n, double p);  // P(at most `hits` of n)

// Folds such that no group stands in two: a stable hash of (seed, group). Result: fold of each item, 0..folds-1.
std::vector<int> grouped_folds(std::span<const std::string> groups, int folds, uint64_t seed);

// Sample statistics.
double mean_of(std::span<const double> values);
double sd_of(std::span<const double> values);  // n - 1
double spearman(std::span<const double> a, std::span<const double> b);
double pearson(std::span<const double> a, std::span<const double> b);

}  // namespace ken::stats
