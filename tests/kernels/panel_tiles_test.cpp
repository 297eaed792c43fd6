// Products by matrix tiles, on tiles in plain memory that do what the instructions are specified to do; on a CPU that
// has tiles, also by them.
#include <gtest/gtest.h>

#include "tests/kernels/panel_cases.h"

#if defined(__x86_64__)
#include <immintrin.h>
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#pragma GCC push_options  // the files that are compiled with this one are for every CPU
#pragma GCC target("avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,f16c,fma")
#include "ken/kernels/panel_tiles.h"

namespace ken::kernels::panel_tiles_test_file {
namespace {

struct PlainTiles {
  static inline bool integers = false, ready = false;
  static inline float sums[4][16][16];
  static void configure_integers() { integers = ready = true; }
  static void configure_pairs() { integers = false, ready = true; }
  static void release() { ready = false; }

  static void dot(const int8_t* x, int64_t stride, const std::byte* levels, int n, int32_t (*c)[16]) {
    ASSERT_TRUE(ready && integers);
    for (int r = 0; r < 16; ++r) {
      for (int o = 0; o < 16; ++o) {
        int32_t sum = 0;
        for (int k = 0; k < n; ++k) sum += x[r * stride + k] * int(uint8_t(levels[k / 4 * 64 + 4 * o + k % 4]));
        c[r][o] = sum;
      }
    }
  }
  static void integers32(const int8_t* x, int64_t stride, const std::byte* levels, int32_t (*c)[16]) {
    dot(x, stride, levels, 32, c);
  }
  static void integers16(const int8_t* x, int64_t stride, const std::byte* levels, int32_t (*c)[16]) {
    dot(x, stride, levels, 16, c);
  }

  static void clear() { std::memset(sums, 0, sizeof sums); }
  // Even and odd inputs apart, each by fused multiply-adds, then added.
  static void add(int t, const uint16_t* x, int64_t in, const std::byte* levels) {
    ASSERT_TRUE(ready && !integers);
    for (int r = 0; r < 16; ++r) {
      for (int o = 0; o < 16; ++o) {
        float part[2] = {0, 0};
        for (int k = 0; k < 32; ++k) {
          uint16_t w;
          std::memcpy(&w, levels + k / 2 * 64 + 4 * o + k % 2 * 2, 2);
          part[k % 2] = std::fma(quant::bf16_to_f32(x[r * in + k]), quant::bf16_to_f32(w), part[k % 2]);
        }
        sums[t][r][o] += part[0] + part[1];
      }
    }
  }
  template <int R, int C>
  static void pairs(const uint16_t* first, const uint16_t* second, int64_t in, const std::byte* left,
                    const std::byte* right) {
    add(0, first, in, left);
    if (C == 2) add(1, first, in, right);
    if (R == 2) add(2, second, in, left);
    if (R == 2 && C == 2) add(3, second, in, right);
  }
  static void result(int r, int c, float (*to)[16]) { std::memcpy(to, sums[2 * r + c], sizeof sums[0]); }
};

constexpr int64_t out = 53, in = 512, most = 41;

struct PanelTiles : testing::Test {
  void SetUp() override {
    if (available_cpus().back() < Cpu::avx512) GTEST_SKIP() << "this CPU has no AVX-512, which tiles come with";
  }
  static std::vector<PanelProduct> products(const Case& c) {
    std::vector<PanelProduct> result{choose<TileKernels<PlainTiles>>(c.panels.plane, c.panels.scaling)};
    if (available_cpus().back() == Cpu::amx) result.push_back(product_for(Cpu::amx, c.panels));
    return result;
  }
};

TEST_F(PanelTiles, IntegersEqualTheScalarProductBitForBit) {
  for (const quant::Format* format : quant::formats()) {
    const Case c = make_case(format, out, in);
    const Rows rows = make_rows(most, in, true);
    const auto expected = product(c, product_for(Cpu::scalar, c.panels), rows.view(0, most, in));
    for (const PanelProduct tiles : products(c)) {
      for (int64_t n : {1, 3, 4, 15, 16, 19, 20, 41}) {
        const auto y = product(c, tiles, rows.view(0, n, in));
        EXPECT_EQ(std::memcmp(y.data(), expected.data(), y.size() * sizeof(float)), 0)
            << format->card.id << ", " << n << " rows";
      }
    }
  }
}

TEST_F(PanelTiles, Bf16IsTheSameForAnyNumberOfRows) {
  const Case c = make_case(nullptr, out, in);
  const Rows rows = make_rows(most, in, false);
  for (const PanelProduct tiles : products(c)) {
    const auto together = product(c, tiles, rows.view(0, most, in));
    for (int64_t r : {0, 17, 40}) {
      for (int64_t o = 0; o < out; ++o) {
        const Expected e = expected(c, rows, r, o);
        EXPECT_NEAR(together[size_t(r * out + o)], e.sum, 2e-6 * e.magnitude) << "row " << r << ", output " << o;
      }
    }
    for (int64_t first : {0, 5, 33}) {
      for (int64_t n : {1, 7, 8}) {
        const auto y = product(c, tiles, rows.view(first, n, in));
        EXPECT_EQ(std::memcmp(y.data(), together.data() + first * out, y.size() * sizeof(float)), 0)
            << "rows " << first << " to " << first + n;
      }
    }
  }
}

}  // namespace
}  // namespace ken::kernels::panel_tiles_test_file
#pragma GCC pop_options
#endif
