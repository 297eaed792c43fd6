// Products with panels: every CPU kind equals the scalar one bit for bit, and that one a sum over the decoded weights.
#include <gtest/gtest.h>

#include "tests/kernels/panel_cases.h"

namespace ken::kernels::panels_test_file {
namespace {

class Panel : public testing::TestWithParam<std::string> {
 protected:
  const quant::Format* format = GetParam() == "bf16" ? nullptr : &quant::format_of(GetParam());
};

constexpr int64_t out = 53, in = 512, most = 25;  // the last panel is not full

TEST_P(Panel, ScalarEqualsTheSumOverDecodedWeights) {
  const Case c = make_case(format, out, in);
  const Rows rows = make_rows(3, in, format != nullptr);
  const auto y = product(c, product_for(Cpu::scalar, c.panels), rows.view(0, 3, in));
  for (int64_t r = 0; r < 3; ++r) {
    for (int64_t o = 0; o < out; ++o) {
      const Expected e = expected(c, rows, r, o);
      EXPECT_NEAR(y[size_t(r * out + o)], e.sum, 2e-6 * e.magnitude) << "row " << r << ", output " << o;
    }
  }
}

TEST_P(Panel, EveryKindOfCpuGivesTheSameBits) {
  const Case c = make_case(format, out, in);
  const Rows rows = make_rows(most, in, format != nullptr);
  const auto expected = product(c, product_for(Cpu::scalar, c.panels), rows.view(0, most, in));
  for (const Cpu kind : available_cpus()) {
    if (kind == Cpu::amx && !format) continue;  // tiles add bf16 in an order of their own: panel_tiles_test.cpp
    const auto y = product(c, product_for(kind, c.panels), rows.view(0, most, in));
    EXPECT_EQ(std::memcmp(y.data(), expected.data(), y.size() * sizeof(float)), 0) << cpu_name(kind);
  }
}

// The largest levels that a file can hold with the largest inputs: sums of bytes in 16 bits must not saturate.
TEST_P(Panel, LargestLevelsFitTheSums) {
  if (!format) return;  // bf16 has no levels
  Case c = make_case(format, out, in);
  std::fill(c.levels.begin(), c.levels.end(), std::byte{255});
  Rows rows = make_rows(5, in, true);
  for (int64_t i = 0; i < 5 * in; ++i) rows.bf16[size_t(i)] = quant::f32_to_bf16(i / in % 2 == 0 ? 3.0f : -3.0f);
  const auto expected = product(c, product_for(Cpu::scalar, c.panels), rows.view(0, 5, in));
  EXPECT_NE(expected[0], expected[size_t(out)]);
  for (const Cpu kind : available_cpus()) {
    const auto y = product(c, product_for(kind, c.panels), rows.view(0, 5, in));
    EXPECT_EQ(std::memcmp(y.data(), expected.data(), y.size() * sizeof(float)), 0) << cpu_name(kind);
  }
}

TEST_P(Panel, ANumberThatIsNoneStaysOneInBf16) {
  const Case c = make_case(format, out, in);
  Rows rows = make_rows(1, in, format != nullptr);
  rows.bf16[3] = 0x7fc0;
  for (const Cpu kind : available_cpus()) {
    std::vector<uint16_t> y(size_t(out), 0);
    product_for(kind, c.panels)(c.panels, rows.view(0, 1, in), {y.data(), out, true}, 0, c.panels.count());
    for (int64_t o = 0; o < out; ++o) EXPECT_TRUE(std::isnan(quant::bf16_to_f32(y[size_t(o)]))) << cpu_name(kind);
  }
}

TEST_P(Panel, ARowIsTheSameAloneAndAmongOthers) {
  const Case c = make_case(format, out, in);
  const Rows rows = make_rows(most, in, format != nullptr);
  for (const Cpu kind : available_cpus()) {
    const auto together = product(c, product_for(kind, c.panels), rows.view(0, most, in));
    for (int64_t first : {0, 1, 7, 24}) {
      for (int64_t n = 1; first + n <= most; n += 3) {
        const auto part = product(c, product_for(kind, c.panels), rows.view(first, n, in));
        EXPECT_EQ(std::memcmp(part.data(), together.data() + first * out, part.size() * sizeof(float)), 0)
            << cpu_name(kind) << ": rows " << first << " to " << first + n;
      }
    }
  }
}

TEST_P(Panel, ResultsInBf16AreTheRoundedOnes) {
  const Case c = make_case(format, out, in);
  const Rows rows = make_rows(2, in, format != nullptr);
  for (const Cpu kind : available_cpus()) {
    const auto y = product(c, product_for(kind, c.panels), rows.view(0, 2, in));
    constexpr int64_t stride = out + 3;
    std::vector<uint16_t> narrow(size_t(2 * stride), 77);
    product_for(kind, c.panels)(c.panels, rows.view(0, 2, in), {narrow.data(), stride, true}, 0, c.panels.count());
    for (int64_t i = 0; i < 2 * stride; ++i) {
      const int64_t o = i % stride;
      const uint16_t expected = o < out ? quant::f32_to_bf16(y[size_t(i / stride * out + o)]) : uint16_t(77);
      EXPECT_EQ(narrow[size_t(i)], expected) << cpu_name(kind) << ", element " << i;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Formats, Panel,
                         testing::Values("q4_0", "q4_1", "q5_0", "q5_1", "q8_0", "q4_k", "q5_k", "q6_k", "bf16"));

TEST(PanelRowsTest, DamageIsSeenAndSmallValuesAreZero) {
  for (const float bad : {float(NAN), float(INFINITY)}) {
    std::vector<float> x(64, 1.0f);
    x[40] = bad;
    int8_t q[64];
    float scale[2];
    int32_t sums[4];
    quantize_rows(x.data(), 64, 0, 1, {1, q, scale, sums});
    EXPECT_EQ(q[0], 127);
    EXPECT_EQ(sums[0], 16 * 127);
    EXPECT_FALSE(std::isnan(scale[0]));
    EXPECT_TRUE(std::isnan(scale[1]));
  }
  const std::vector<float> tiny(32, 1e-40f);
  int8_t q[32];
  float scale;
  int32_t sums[2];
  quantize_rows(tiny.data(), 32, 0, 1, {1, q, &scale, sums});
  EXPECT_EQ(q[31], 0);
  EXPECT_EQ(sums[1], 0);
}

TEST(PanelRowsTest, PlainNumbersOfAnyTypeBecomeTheSamePanels) {
  const auto values = normals(20 * 6, 3);
  std::vector<uint16_t> narrow, half;
  std::vector<float> wide, halves;
  for (const float x : values) {
    narrow.push_back(quant::f32_to_bf16(x)), wide.push_back(quant::bf16_to_f32(narrow.back()));
    half.push_back(quant::f32_to_f16(x)), halves.push_back(quant::f16_to_f32(half.back()));
  }
  const auto packed = [](const void* data, Stored type) {
    Case c;
    c.matrix = {data, type, nullptr, 20, 6};
    pack(c);
    return c.levels;
  };
  EXPECT_EQ(packed(narrow.data(), Stored::bf16), packed(wide.data(), Stored::f32));
  EXPECT_EQ(packed(half.data(), Stored::f16), packed(halves.data(), Stored::f32));
}

TEST(PanelRowsTest, WhatHasNoPanels) {
  EXPECT_FALSE(has_panels({nullptr, Stored::f32, nullptr, 4, 7}));
  EXPECT_TRUE(has_panels({nullptr, Stored::f32, nullptr, 4, 8}));
  EXPECT_FALSE(has_panels({nullptr, Stored::blocks, &quant::format_of("q4_k"), 4, 128}));
}

}  // namespace
}  // namespace ken::kernels::panels_test_file
