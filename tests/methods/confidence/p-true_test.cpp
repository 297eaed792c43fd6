#include "ken/evidence/asking.h"
#include "tests/methods/confidence/reference.h"
#include "tests/tiny.h"

namespace ken::evidence::p_true_test_file {
namespace {

TEST(PTrueTest, agrees_with_the_reference) { test::expect_reference("p-true"); }

TEST(PTrueTest, is_asked_in_two_orders_by_letters) {
  const auto model = test::tiny_model();
  const auto facts = test::tiny_facts();
  const auto letters = estimator_from("p-true:form=letters"), claim = estimator_from("p-true");
  const Question question{closed_book(facts.facts[0], world::prompt_style()), world::prompt_style(), facts.facts[0]};
  const auto found = gather(*model, std::vector<Question>{question}, {letters, claim}, {nn::Compute::f32, 0, 0});
  EXPECT_EQ(found[0].replies.size(), 3u);
  for (const auto& spec : {letters, claim}) {
    EXPECT_GT(spec.score(found[0]), 0);
    EXPECT_LT(spec.score(found[0]), 1);
  }
}

}  // namespace
}  // namespace ken::evidence::p_true_test_file
