// Against scikit-learn, whose noise gives equal values an order by chance: there the means over seeds must agree.
#include "ken/stats/mutual_information.h"

#include <gtest/gtest.h>

#include "ken/base/read_json.h"

namespace ken::stats::mutual_information_test_file {
namespace {

TEST(MutualInformationTest, agrees_with_scikit_learn) {
  const char* source = std::getenv("KEN_SOURCE");
  const fs::path path = fs::path(source ? source : ".") / "tests/stats/mutual_information.json";
  const Json cases = read_json(path, size_t{1} << 20, path.string()).at("cases");
  ASSERT_EQ(cases.size(), 12u);
  for (const Json& c : cases) {
    const auto values = c.at("values").get<std::vector<double>>();
    const auto classes = c.at("classes").get<std::vector<int>>();
    constexpr int seeds = 200;
    double sum = 0;
    for (int s = 0; s < seeds; ++s) sum += mutual_information(values, classes, c.at("neighbours"), uint64_t(s));
    const double spread = c.at("sd").get<double>() * std::sqrt(2.0 / seeds);
    EXPECT_NEAR(sum / seeds, c.at("mean").get<double>(), 1e-6 + 4 * spread) << c.at("name") << c.at("neighbours");
  }
}

TEST(MutualInformationTest, nothing_is_known_where_there_is_one_class_or_one_value) {
  const std::vector<double> values = {1, 2, 3, 4};
  EXPECT_EQ(mutual_information(values, std::vector<int>{0, 0, 0, 0}), 0);
  EXPECT_EQ(mutual_information(values, std::vector<int>{0, 0, 0, 1}), 0);
  EXPECT_EQ(mutual_information(std::vector<double>{}, std::vector<int>{}), 0);
}

}  // namespace
}  // namespace ken::stats::mutual_information_test_file
