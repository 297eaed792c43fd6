#include "ken/base/permutation.h"

#include <gtest/gtest.h>

#include <vector>

namespace ken::permutation_test_file {
namespace {

TEST(PermutationTest, EveryPlaceHoldsOneElementAndIsFoundAgain) {
  for (uint64_t n : {1ull, 2ull, 3ull, 5ull, 64ull, 400ull, 28800ull}) {
    const Permutation order(n, 1, 2);
    std::vector<bool> taken(n);
    for (uint64_t x = 0; x < n; ++x) {
      const uint64_t y = order.at(x);
      ASSERT_LT(y, n);
      ASSERT_FALSE(taken[y]) << n;
      taken[y] = true;
      ASSERT_EQ(order.place(y), x) << n;
    }
  }
}

TEST(PermutationTest, OrdersDifferBetweenSeedsAndStreamsAndLookRandom) {
  constexpr uint64_t n = 10000;
  const Permutation a(n, 1, 2), b(n, 2, 2), c(n, 1, 3);
  int same_b = 0, same_c = 0, fixed = 0, rising = 0;
  for (uint64_t x = 0; x + 1 < n; ++x) {
    same_b += a.at(x) == b.at(x);
    same_c += a.at(x) == c.at(x);
    fixed += a.at(x) == x;
    rising += a.at(x) < a.at(x + 1);
  }
  EXPECT_LT(same_b, 10);
  EXPECT_LT(same_c, 10);
  EXPECT_LT(fixed, 10);
  EXPECT_NEAR(rising, 5000, 200);
}

}  // namespace
}  // namespace ken::permutation_test_file
