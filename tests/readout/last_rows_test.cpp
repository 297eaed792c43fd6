// States kept for the next token: of the chosen tokens, whatever else was read behind them.
#include <gtest/gtest.h>

#include "ken/base/error.h"
#include "ken/readout/last_rows.h"

namespace ken::readout::last_rows_test_file {
namespace {

void read(LastRows& rows, int64_t first, const Tensor& x) {
  std::vector<int64_t> positions;
  for (int64_t i = 0; i < x.size(0); ++i) positions.push_back(first + i);
  for (const auto& tap : rows.taps())
    EXPECT_FALSE(tap.fn(x, {0, positions, model::Phase::prefill, 0, model::Point::resid_post}).has_value());
}

TEST(LastRowsTest, keeps_the_last_row_of_each_point_by_step) {
  LastRows rows({"blocks.0.hook_resid_post", "blocks.1.hook_resid_post"});
  EXPECT_THROW(rows.at(0), Error);
  const Tensor prompt = at::arange(12, at::kFloat).view({3, 4}), next = prompt.narrow(0, 0, 1) + 100;
  read(rows, 0, prompt);
  EXPECT_TRUE(at::equal(rows.at(0), at::stack({prompt[2], prompt[2]})));
  read(rows, 3, at::cat({next + 7, next + 9}));  // tried behind the prompt, not chosen
  EXPECT_TRUE(at::equal(rows.at(0)[0], prompt[2]));
  LastRows sample({"blocks.0.hook_resid_post", "blocks.1.hook_resid_post"});
  sample.follow(rows);
  read(sample, 3, next);
  EXPECT_TRUE(at::equal(sample.at(1)[1], next[0]));
  EXPECT_THROW(rows.at(1), Error);
}

}  // namespace
}  // namespace ken::readout::last_rows_test_file
