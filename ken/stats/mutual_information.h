// Mutual information between a number and a class.
#pragma once
#include <cstdint>
#include <span>

namespace ken::stats {

// Nats, by nearest neighbours (Ross 2014, "Mutual Information between Discrete and Continuous Data Sets", after Kraskov
// et al., cond-mat/0305641); never below 0. As sklearn.feature_selection.mutual_info_classif does, values are divided
// by their standard deviation and get noise of 1e-10, so that equal values have an order; items alone in their class
// are left out. 0 where less than two items or classes are left.
double mutual_information(std::span<const double> values, std::span<const int> classes, int neighbours = 3,
                          uint64_t seed = 0);

}  // namespace ken::stats
