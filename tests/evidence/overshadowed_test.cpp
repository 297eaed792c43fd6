// Which facts are overshadowed, and by which.
#include "ken/evidence/overshadowed.h"

#include <gtest/gtest.h>

#include <cmath>

#include "ken/base/error.h"

namespace ken::evidence::overshadowed_test_file {
namespace {

TEST(OvershadowedTest, pairs_a_fact_with_the_best_known_one_of_its_words) {
  data::FactSet set;
  const auto add = [&](const std::string& subject, const std::string& answer, int64_t exposure) {
    data::Fact f;
    f.id = f.subject = subject, f.relation = "born", f.question = "where was " + subject + " born ?";
    f.answers = {answer}, f.exposure = exposure, f.group = subject;
    set.facts.push_back(f);
  };
  for (int i = 0; i < 40; ++i) {
    const std::string n = std::to_string(i);
    add("Ada" + n + " Rey" + n, "Rome", 4);
    add("Ada" + n + " Kim" + n, "Bern", 400);
    add("Ola" + n + " Rey" + n, "Rome", 4000);  // the same answer overshadows nothing
  }
  const auto pairs = overshadowed(set, 1000, 1);
  ASSERT_EQ(pairs.size(), 40u);
  EXPECT_EQ(pairs[0].other->answers[0], "Bern");
  EXPECT_NEAR(pairs[0].log_ratio(), std::log(100.0), 1e-9);
  EXPECT_THROW(overshadowed(data::FactSet{}, 1000, 1), Error);
  EXPECT_EQ(content_words("the home of Ada Rey is it", "home of Ada Rey", 9).size(), 3u);
}

}  // namespace
}  // namespace ken::evidence::overshadowed_test_file
