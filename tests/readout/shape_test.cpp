// Shape statistics of rows whose values are known.
#include "ken/readout/shape.h"

#include <gtest/gtest.h>

namespace ken::readout::shape_test_file {
namespace {

at::Tensor shape_of(const at::Tensor& row, const std::string& name, int64_t top = 0) {
  for (const auto& [found, values] : row_shapes(row.unsqueeze(0), top))
    if (found == name) return values[0];
  return {};
}

TEST(ShapeTest, one_entry_among_zeros_is_as_sparse_as_can_be_and_equal_entries_are_not_sparse) {
  at::Tensor one = at::zeros({16}, at::kDouble);
  one[3] = -2.0;
  EXPECT_NEAR(shape_of(one, "hoyer").item<double>(), 1, 1e-12);
  EXPECT_NEAR(shape_of(one, "gini").item<double>(), 1 - 1.0 / 16, 1e-12);
  EXPECT_NEAR(shape_of(one, "l1").item<double>(), 2, 1e-12);
  EXPECT_NEAR(shape_of(one, "l2").item<double>(), 2, 1e-12);
  const at::Tensor equal = at::full({16}, 3.0, at::kDouble);
  EXPECT_NEAR(shape_of(equal, "hoyer").item<double>(), 0, 1e-12);
  EXPECT_NEAR(shape_of(equal, "gini").item<double>(), 0, 1e-12);
}

TEST(ShapeTest, kurtosis_is_that_of_its_formula_and_a_massive_entry_can_be_left_out) {
  const at::Tensor even = at::tensor({1.0, -1.0, 1.0, -1.0});
  EXPECT_NEAR(shape_of(even, "kurtosis").item<double>(), 1, 1e-12);
  const at::Tensor massive = at::tensor({1.0, -1.0, 1.0, -1.0, 100.0});
  EXPECT_GT(shape_of(massive, "kurtosis").item<double>(), 3);  // d = 5 bounds it by 3.25
  EXPECT_NEAR(shape_of(massive, "kurtosis_without_top", 1).item<double>(), 1, 1e-12);
}

}  // namespace
}  // namespace ken::readout::shape_test_file
