#include "ken/readout/point_list.h"

#include <gtest/gtest.h>

#include "ken/base/error.h"

namespace ken::readout::point_list_test_file {
namespace {

TEST(PointList, layers_are_single_ones_and_ranges_in_the_order_given) {
  EXPECT_EQ(layers_listed("0,4-7"), (std::vector<int64_t>{0, 4, 5, 6, 7}));
  EXPECT_EQ(layers_listed("3"), std::vector<int64_t>{3});
  EXPECT_EQ(layers_listed("2-2,0"), (std::vector<int64_t>{2, 0}));
  EXPECT_TRUE(layers_listed("").empty());
}

TEST(PointList, what_is_no_list_of_layers_is_a_usage_error) {
  for (const char* bad : {"a", "1-", "-1", "1,,2", "7-4", "123456", "1-2-3"})
    EXPECT_THROW(layers_listed(bad), UsageError) << bad;
}

}  // namespace
}  // namespace ken::readout::point_list_test_file
