#include "ken/evidence/agreement.h"

#include <gtest/gtest.h>

#include "tests/tiny.h"

namespace ken::evidence::agreement_test_file {
namespace {

TEST(AgreementTest, is_one_minus_the_edit_distance_over_the_longer_length) {
  const std::vector<int32_t> a{1, 2, 3, 4}, b{1, 3, 4};
  EXPECT_DOUBLE_EQ(agreement(a, b), 0.75);
  EXPECT_DOUBLE_EQ(agreement(a, a), 1);
  EXPECT_DOUBLE_EQ(agreement({}, {}), 1);
  EXPECT_DOUBLE_EQ(agreement(a, {}), 0);
}

TEST(AgreementTest, means_over_pairs_from_a_token_on_and_counts_equal_texts) {
  std::vector<generate::Generated> a(3), b(3);
  a[0].tokens = {1, 2, 3}, b[0].tokens = {1, 2, 3};
  a[1].tokens = {1, 2, 3}, b[1].tokens = {1, 5, 6};
  a[2].tokens = {1}, b[2].tokens = {1, 2};
  EXPECT_DOUBLE_EQ(mean_agreement(a, b), (1 + 1 / 3.0 + 0.5) / 3);
  EXPECT_DOUBLE_EQ(mean_agreement(a, b, 2), 0.5);  // the last pair ended before
  EXPECT_DOUBLE_EQ(identical(a, b), 1 / 3.0);
}

TEST(AgreementTest, renames_token_by_token) {
  const auto model = test::tiny_model();
  generate::Generated text;
  text.tokens = model->tokenizer->encode("where was born");
  const auto renamed_text = renamed(*model->tokenizer, {text}, {"born where"}, {"city job"});
  EXPECT_EQ(renamed_text[0].tokens, model->tokenizer->encode("job was city"));
}

}  // namespace
}  // namespace ken::evidence::agreement_test_file
