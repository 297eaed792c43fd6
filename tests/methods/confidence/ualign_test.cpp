#include <gtest/gtest.h>

#include "ken/evidence/evidence.h"
#include "ken/evidence/shots.h"
#include "tests/tiny.h"

namespace ken::evidence::ualign_test_file {
namespace {

Evidence replied(const std::vector<std::string>& answers) {
  Evidence e;
  e.aliases = {"Turin"};
  for (size_t k = 0; k < answers.size(); ++k) e.replies[fmt::format("ualign {} at 0.2", k)].text = answers[k];
  return e;
}

TEST(UalignTest, agreement_entropy_and_confidence_by_hand) {
  const Evidence e = replied({"Rome", "rome", "Turin", "Oslo"});
  EXPECT_NEAR(estimator_from("ualign:prompts=4").score(e), 0.5, 1e-12);
  EXPECT_NEAR(estimator_from("ualign:prompts=4,of=entropy").score(e), 0.5 * std::log(0.5) + 0.5 * std::log(0.25),
              1e-12);
  EXPECT_NEAR(estimator_from("ualign:prompts=4,of=confidence").score(e), 0.25, 1e-12);
}

TEST(UalignTest, every_answer_stands_behind_another_example) {
  const auto model = test::tiny_model();
  const auto facts = test::tiny_facts();
  const auto style = with_examples(world::prompt_style(), facts, 1);
  const auto spec = estimator_from("ualign:prompts=5");
  const Question q{closed_book(facts.facts[0], style), style, facts.facts[0]};
  const Evidence nothing;
  const Needs needs = spec.needs();
  std::set<std::string> prompts;
  for (const auto& f : spec.entry->follow(q, View(nothing, needs), spec.params)) prompts.insert(f.prompt);
  EXPECT_EQ(prompts.size(), 5u);
  const auto found = gather(*model, std::vector<Question>{q}, {spec}, {nn::Compute::f32, 0, 0});
  EXPECT_EQ(found[0].replies.size(), 5u);
  const Question bare{q.request, world::prompt_style(), facts.facts[0]};
  EXPECT_THROW(spec.entry->follow(bare, View(nothing, needs), spec.params), UsageError);
}

}  // namespace
}  // namespace ken::evidence::ualign_test_file
