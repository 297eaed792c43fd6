#include "ken/evidence/equivalence.h"

#include <gtest/gtest.h>

namespace ken::evidence::equivalence_test_file {
namespace {

TEST(EquivalenceTest, each_rule_fires_where_it_should) {
  EXPECT_EQ(same_meaning("The Paris.", "paris"), "equal");
  EXPECT_EQ(same_meaning("1000", "1000.0"), "number");
  EXPECT_EQ(same_meaning("Lovelace", "Ada Lovelace"), "containment");
  EXPECT_EQ(same_meaning("quick brown fox jumps", "quick brown fox leaps high"), "");
  EXPECT_EQ(same_meaning("a red and blue flag", "red and blue banner flag"), "containment");
}

TEST(EquivalenceTest, numbers_negations_and_longer_names_keep_answers_apart) {
  EXPECT_EQ(same_meaning("1912", "1913"), "");
  EXPECT_EQ(same_meaning("1912", "Paris"), "");
  EXPECT_EQ(same_meaning("Paris", "not Paris"), "");
  EXPECT_EQ(same_meaning("New York", "New York Times"), "");
  EXPECT_EQ(same_meaning("April", "April 1912"), "");
}

TEST(EquivalenceTest, clusters_are_numbered_by_first_appearance_and_joined_transitively) {
  EXPECT_EQ(cluster_answers({"Rome", "Ada Lovelace", "rome", "Lovelace", ""}), (std::vector<int>{0, 1, 0, 1, 2}));
}

}  // namespace
}  // namespace ken::evidence::equivalence_test_file
