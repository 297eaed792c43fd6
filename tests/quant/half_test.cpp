// f16 and bf16 over every bit pattern, and rounding at the halves between neighbours.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "ken/quant/half.h"

namespace ken::quant::half_test_file {
namespace {

bool is_nan16(unsigned v) { return (v & 0x7fff) > 0x7c00; }

// The value by definition: sign * mantissa * 2^exponent.
double defined(unsigned v) {
  const int exponent = int(v >> 10 & 31), mantissa = int(v & 0x3ff);
  const double magnitude = exponent == 0    ? std::ldexp(mantissa, -24)
                           : exponent == 31 ? std::numeric_limits<double>::infinity()
                                            : std::ldexp(1024 + mantissa, exponent - 25);
  return v & 0x8000 ? -magnitude : magnitude;
}

TEST(HalfTest, EveryF16WidensToItsDefinedValueAndBack) {
  for (unsigned v = 0; v < 0x10000; ++v) {
    const float f = f16_to_f32(uint16_t(v));
    if (is_nan16(v)) {
      ASSERT_TRUE(std::isnan(f)) << v;
      ASSERT_TRUE(is_nan16(f32_to_f16(f))) << v;
    } else {
      ASSERT_EQ(double(f), defined(v)) << v;
      ASSERT_EQ(f32_to_f16(f), v);
    }
  }
}

TEST(HalfTest, BetweenNeighboursTheNearerWinsAndATieGoesToEven) {
  for (unsigned v = 0; v < 0x7bff; ++v) {
    const float low = f16_to_f32(uint16_t(v)), high = f16_to_f32(uint16_t(v + 1)), middle = (low + high) / 2;
    ASSERT_EQ(f32_to_f16(middle), v % 2 == 0 ? v : v + 1) << v;
    ASSERT_EQ(f32_to_f16(std::nextafter(middle, low)), v);
    ASSERT_EQ(f32_to_f16(std::nextafter(middle, high)), v + 1);
    ASSERT_EQ(f32_to_f16(-std::nextafter(middle, high)), 0x8000 | (v + 1));
  }
}

TEST(HalfTest, WhatIsTooLargeBecomesInfinityAndWhatIsTooSmallZero) {
  EXPECT_EQ(f32_to_f16(65504), 0x7bff);
  EXPECT_EQ(f32_to_f16(65519.996f), 0x7bff);
  EXPECT_EQ(f32_to_f16(65520), 0x7c00);
  EXPECT_EQ(f32_to_f16(-1e30f), 0xfc00);
  EXPECT_EQ(f32_to_f16(std::numeric_limits<float>::infinity()), 0x7c00);
  EXPECT_EQ(f32_to_f16(0x1p-25f), 0) << "a tie between 0 and the smallest value";
  EXPECT_EQ(f32_to_f16(std::numeric_limits<float>::denorm_min()), 0);
  EXPECT_EQ(f32_to_f16(-0.0f), 0x8000);
}

TEST(HalfTest, Bf16RoundsToEvenAndKeepsNan) {
  for (unsigned v = 0; v < 0x10000; ++v) {
    const float f = bf16_to_f32(uint16_t(v));
    if (std::isnan(f)) {
      ASSERT_TRUE(std::isnan(bf16_to_f32(f32_to_bf16(f))));
    } else {
      ASSERT_EQ(f32_to_bf16(f), v);
    }
  }
  EXPECT_EQ(f32_to_bf16(1.00390625f), 0x3f80) << "1 + 2^-8 lies between 1 and 1 + 2^-7";
  EXPECT_EQ(f32_to_bf16(1.01171875f), 0x3f82);
}

}  // namespace
}  // namespace ken::quant::half_test_file
