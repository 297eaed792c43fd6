#include "ken/readout/passes.h"

#include <gtest/gtest.h>

namespace ken::readout::passes_test_file {
namespace {

std::vector<std::pair<size_t, size_t>> ranges(const std::vector<int64_t>& lengths) {
  std::vector<std::pair<size_t, size_t>> result;
  for (const auto& [first, last] : passes(lengths.size(), [&](size_t i) { return lengths[i]; }))
    result.emplace_back(first, last);
  return result;
}

TEST(PassesTest, HoldAsManyPromptsAsTheirTokensAllow) {
  using Ranges = std::vector<std::pair<size_t, size_t>>;
  const int64_t most = max_pass_tokens;
  EXPECT_EQ(ranges({}), Ranges{});
  EXPECT_EQ(ranges({5, 6, 7}), (Ranges{{0, 3}}));
  EXPECT_EQ(ranges({most - 1, 1, 1}), (Ranges{{0, 2}, {2, 3}}));
  EXPECT_EQ(ranges({1, most + 9, 1}), (Ranges{{0, 1}, {1, 2}, {2, 3}}));  // one that is too long goes alone
  EXPECT_EQ(ranges({0, 0, most, 0}), (Ranges{{0, 4}}));
}

}  // namespace
}  // namespace ken::readout::passes_test_file
