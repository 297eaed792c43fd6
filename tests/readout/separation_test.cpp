// Three classes of which one axis merges two: the plane tells them apart, the axis does not, noise tells nothing.
#include "ken/readout/separation.h"

#include <gtest/gtest.h>

#include "ken/base/error.h"
#include "ken/base/rng.h"

namespace ken::readout::separation_test_file {
namespace {

TEST(SeparationTest, a_plane_separates_what_one_axis_merges) {
  const double centre[3][2] = {{0, 0}, {3, 0}, {3, 3}};
  Classes classes{{}, {"a", "b", "c"}, {}};
  Rng rng(1);
  std::vector<float> points, axis, noise;
  for (int i = 0; i < 240; ++i) {
    const int c = i % 3;
    classes.of.push_back(c), classes.groups.push_back("g" + std::to_string(i / 2));
    points.push_back(float(centre[c][0] + 0.5 * rng.normal())),
        points.push_back(float(centre[c][1] + 0.5 * rng.normal()));
    axis.push_back(points[points.size() - 2]), noise.push_back(float(rng.normal()));
  }
  const auto tensor = [](const std::vector<float>& v, int64_t d) {
    return at::tensor(at::ArrayRef<float>(v)).view({-1, d});
  };
  const Separation found = separate({tensor(points, 2), tensor(axis, 1), tensor(noise, 1)}, classes, 1);
  EXPECT_GT(found.macro[0].value, 0.98);
  EXPECT_LT(found.macro[1].value, 0.9);
  EXPECT_NEAR(found.macro[2].value, 0.5, 0.1);
  EXPECT_GT(found.above[1].low, 0.05);
  EXPECT_GT(found.one_against_rest[1][0], 0.98);  // the axis finds the class that it does not merge
}

TEST(SeparationTest, one_class_is_refused) {
  EXPECT_THROW(separate({at::ones({2, 1})}, {{0, 0}, {"a"}, {"g", "h"}}, 1), Error);
}

}  // namespace
}  // namespace ken::readout::separation_test_file
