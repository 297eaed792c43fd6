// Two samples side by side: is a difference more than chance? All tests are two-sided; NaN where there is nothing to
// test.
#pragma once
#include <cstdint>
#include <span>
#include <vector>

namespace ken::stats {

// Of two independent proportions. Campbell (2007): the chi-squared test with N - 1 in place of N where every expected
// count is at least 1, Fisher's exact test elsewhere.
double two_proportions(int64_t hits_a, int64_t n_a, int64_t hits_b, int64_t n_b);
// Fisher's exact test: all tables with the same margins that are no more likely than the one found.
double fisher_exact(int64_t hits_a, int64_t n_a, int64_t hits_b, int64_t n_b);

// Of the same items measured twice, from the items on which only one of the two is right: the exact binomial test.
double mcnemar_exact(int64_t only_a, int64_t only_b);

// Of the same items measured twice, as numbers: Student's t-test of their differences.
double paired_t(std::span<const double> a, std::span<const double> b);

// A value with its 95 % interval.
struct Estimate {
  double value, low, high;
};
// Of two independent estimates, normal, with the half of each interval that faces the other (MOVER: Zou and Donner
// 2008).
double from_intervals(const Estimate& a, const Estimate& b);

// Holm (1979): the p-values such that calling all under alpha significant has at most the chance alpha of one wrong
// call. A NaN was not tested: it stays NaN and does not count.
std::vector<double> holm(std::span<const double> p);

}  // namespace ken::stats
