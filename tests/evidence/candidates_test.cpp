// Candidate answers: each once, labelled, counted; what scores make of them; states behind answers.
#include "ken/evidence/candidates.h"

#include <gtest/gtest.h>

#include "ken/evidence/option_states.h"
#include "tests/tiny.h"

namespace ken::evidence::candidates_test_file {
namespace {

const std::vector<Candidate> four{
    {"Oslo", true, true, 3}, {"Rome", false, false, 5}, {"Bern", false, false, 1}, {"Oslo city", true, false, 0}};

TEST(CandidatesTest, pairs_are_won_by_the_right_answer_and_ties_fail) {
  EXPECT_DOUBLE_EQ(pairs_won(four, std::vector<double>{4, 1, 2, 3}), 1);
  EXPECT_DOUBLE_EQ(pairs_won(four, std::vector<double>{0, 1, 2, 3}), 0.5);
  EXPECT_DOUBLE_EQ(pairs_won(four, std::vector<double>{1, 1, 1, 1}), 0);
  EXPECT_TRUE(std::isnan(pairs_won({four[0]}, std::vector<double>{1})));
  EXPECT_TRUE(two_classes(four));
  EXPECT_FALSE(two_classes({four[0], four[3]}));
  EXPECT_FALSE(two_classes({four[1], four[2]}));
}

TEST(CandidatesTest, choices_are_counted_as_they_were_made) {
  EXPECT_FALSE(best_is_right(four, std::vector<double>{0, 2, 1, 3}, false));  // the gold was not given
  EXPECT_TRUE(best_is_right(four, std::vector<double>{0, 2, 1, 3}, true));
  EXPECT_TRUE(right_was_given(four));
  const std::vector<Candidate> unsaid{{"Rome", false, true, 9}, {"Oslo", true, false, 0}};
  EXPECT_FALSE(right_was_given(unsaid));
  const std::vector<double> by_four{0, 2, 1, 3}, by_two{1, 2};
  const Json found = choice_accuracies({"S"}, {{&four, {by_four}}, {&unsaid, {by_two}}});
  const auto share = [&](const char* how) { return found.at(how).at("value").get<double>(); };
  EXPECT_EQ(share("greedy"), 0.5);
  EXPECT_EQ(share("majority"), 0);
  EXPECT_EQ(share("oracle"), 0.5);
  EXPECT_EQ(share("S"), 0);
  EXPECT_EQ(share("S, gold added"), 1);
}

class AskedCandidatesTest : public testing::Test {
 protected:
  AskedCandidatesTest() { set.facts.resize(12); }
  readout::AnalysisInput input() { return {*model, set, world::prompt_style(), 3}; }
  std::shared_ptr<model::Model> model = test::tiny_model();
  data::FactSet set = test::tiny_facts();
};

TEST_F(AskedCandidatesTest, each_answer_stands_once_with_its_count_and_the_gold_is_there) {
  const auto all = answer_candidates(input(), set.facts, 20, 1.0);
  ASSERT_EQ(all.size(), set.facts.size());
  for (size_t i = 0; i < all.size(); ++i) {
    int64_t samples = 0, greedy = 0, right = 0;
    std::set<std::string> seen;
    for (const auto& candidate : all[i]) {
      EXPECT_TRUE(seen.insert(data::normalize_answer(candidate.text)).second) << candidate.text;
      EXPECT_EQ(candidate.right, data::same_answer(candidate.text, set.facts[i].answers));
      samples += candidate.samples, greedy += candidate.greedy, right += candidate.right;
    }
    EXPECT_LE(samples, 20);
    EXPECT_GT(samples, 0);
    EXPECT_LE(greedy, 1);
    EXPECT_GE(right, 1);
  }
}

TEST_F(AskedCandidatesTest, states_behind_answers_are_those_of_the_whole_text) {
  const auto candidates = answer_candidates(input(), set.facts, 5, 1.0);
  std::vector<OptionItem> items;
  for (size_t i = 0; i < set.facts.size(); ++i)
    items.push_back(
        with_answers(world::prompt_style(), closed_book(set.facts[i], world::prompt_style()), candidates[i]));
  const std::vector<std::string> points{"blocks.0.hook_resid_post", "blocks.1.hook_resid_post"};
  const auto states = option_states(*model, items, points, nn::Compute::f32);
  ASSERT_EQ(states.size(), items.size());
  at::NoGradGuard no_gradients;
  for (size_t i = 0; i < items.size(); ++i) {
    ASSERT_EQ(states[i].sizes(), (at::IntArrayRef{int64_t(items[i].options.size()), 2, model->config.d_model}));
    for (size_t o = 0; o < items[i].options.size(); ++o) {
      model::ActivationCache cache;
      const model::TapPlan plan(model->config, cache.taps(points));
      const auto ids = model::prompt_ids(*model, items[i].prompt + items[i].options[o]);
      model::forward(*model, model::pack({{ids}}, model->config.vocab), {.taps = &plan});
      for (size_t p = 0; p < points.size(); ++p) {
        const at::Tensor rows = cache.at(points[p]);
        EXPECT_TRUE(at::equal(states[i][int64_t(o)][int64_t(p)], rows[rows.size(0) - 1])) << items[i].options[o];
      }
    }
  }
  EXPECT_THROW(option_states(*model, items, {"blocks.0.attn.hook_z"}, nn::Compute::f32), UsageError);
}

TEST_F(AskedCandidatesTest, p_true_compares_the_two_verdicts_of_the_statement_with_each_candidate) {
  data::Fact& fact = set.facts[0];
  const std::vector<std::vector<Candidate>> candidates{{{"north star", false}, {fact.answers[0], true}}};
  const auto p = p_true(input(), {fact}, candidates);
  ASSERT_EQ(p[0].size(), 2u);
  const auto style = world::prompt_style();
  const auto by_hand = [&](const std::string& statement) {
    const auto scores =
        score_options(*model, {{data::judge(style, statement), {style.yes, style.no}}}, nn::Compute::f32);
    return std::exp(scores[0][0].logprob) / (std::exp(scores[0][0].logprob) + std::exp(scores[0][1].logprob));
  };
  EXPECT_NEAR(p[0][1], by_hand(fact.statement), 1e-6);
  std::string other = fact.statement;
  other.replace(other.rfind(fact.answers[0]), fact.answers[0].size(), "north star");
  EXPECT_NEAR(p[0][0], by_hand(other), 1e-6);
}

TEST_F(AskedCandidatesTest, judged_groups_and_the_others_share_none) {
  set = test::tiny_facts();
  for (const char* name : {"", "seen"}) {
    const FactSplit split = split_facts(input(), name);
    std::set<std::string> judged;
    for (const auto& fact : split.judged) judged.insert(fact.group);
    EXPECT_FALSE(judged.empty());
    EXPECT_FALSE(split.others.empty());
    for (const auto& fact : split.others) EXPECT_FALSE(judged.count(fact.group)) << fact.id;
  }
}

}  // namespace
}  // namespace ken::evidence::candidates_test_file
