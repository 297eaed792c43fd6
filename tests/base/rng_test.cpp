// Philox against Random123's known answers, and the independence of order that results rest on.
#include "ken/base/rng.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <vector>

namespace ken::rng_test_file {
namespace {

using Words = std::array<uint32_t, 4>;

TEST(RngTest, PhiloxGivesTheKnownAnswersOfRandom123) {
  EXPECT_EQ(philox(0, 0, 0), (Words{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  const uint64_t ones = ~uint64_t{0};
  EXPECT_EQ(philox(ones, ones, ones), (Words{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(philox(0x299f31d0a4093822, 0x0370734413198a2e, 0x85a308d3243f6a88),
            (Words{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST(RngTest, StreamsDoNotDependOnTheOrderInWhichTheyAreDrawn) {
  Rng first(7, 1), second(7, 2);
  const uint64_t a = first.next64(), b = second.next64();
  Rng late(7, 2), early(7, 1);
  EXPECT_EQ(late.next64(), b);
  EXPECT_EQ(early.next64(), a);
  EXPECT_NE(a, b);
  EXPECT_NE(Rng(8, 1).next64(), a);
}

TEST(RngTest, ACopyContinuesFromTheSamePlace) {
  Rng rng(3);
  for (int i = 0; i < 5; ++i) rng.next();
  Rng copy = rng;
  for (int i = 0; i < 9; ++i) EXPECT_EQ(rng.next(), copy.next());
}

TEST(RngTest, BelowStaysInRangeAndReachesEveryValue) {
  Rng rng(1);
  std::vector<int> counts(10);
  for (int i = 0; i < 10000; ++i) ++counts.at(rng.below(10));
  for (const int count : counts) EXPECT_NEAR(count, 1000, 150);
}

TEST(RngTest, UniformAndNormalHaveTheirMoments) {
  Rng rng(2);
  double sum = 0, normal_sum = 0, normal_squares = 0;
  const int n = 20000;
  for (int i = 0; i < n; ++i) {
    const double u = rng.uniform(), z = rng.normal();
    ASSERT_TRUE(u >= 0 && u < 1);
    sum += u, normal_sum += z, normal_squares += z * z;
  }
  EXPECT_NEAR(sum / n, 0.5, 0.01);
  EXPECT_NEAR(normal_sum / n, 0, 0.03);
  EXPECT_NEAR(normal_squares / n, 1, 0.05);
}

TEST(RngTest, ShuffleKeepsTheElementsAndRepeatsForASeed) {
  std::vector<int> a(50);
  std::iota(a.begin(), a.end(), 0);
  std::vector<int> sorted = a, b = a;
  Rng(5).shuffle(a);
  Rng(5).shuffle(b);
  EXPECT_EQ(a, b);
  EXPECT_NE(a, sorted);
  std::sort(a.begin(), a.end());
  EXPECT_EQ(a, sorted);
}

}  // namespace
}  // namespace ken::rng_test_file
