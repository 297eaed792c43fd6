#include "ken/data/numbers.h"
#include "tests/methods/confidence/reference.h"

namespace ken::evidence::verbalised_test_file {
namespace {

TEST(VerbalisedTest, agrees_with_the_reference) { test::expect_reference("verbalised"); }

TEST(VerbalisedTest, numbers_are_read_as_people_write_them) {
  for (const auto& [text, value] : std::vector<std::pair<std::string, double>>{
           {"0.8", 0.8}, {"80%", 0.8}, {"80", 0.8}, {"about 5 percent", 0.05}, {"1", 1}, {"0", 0}, {"1 %", 0.01}}) {
    ASSERT_TRUE(data::first_probability(text)) << text;
    EXPECT_NEAR(*data::first_probability(text), value, 1e-12) << text;
  }
  for (const char* text : {"", "very sure", "-3", "250"}) EXPECT_FALSE(data::first_probability(text)) << text;
}

}  // namespace
}  // namespace ken::evidence::verbalised_test_file
