// Judging Controls beside passages: the two parts share no group, shares add up, and the null Control changes nothing.
#include <gtest/gtest.h>

#include <set>

#include "ken/base/error.h"
#include "ken/evidence/fluency.h"
#include "ken/evidence/passage_judge.h"
#include "tests/tiny.h"

namespace ken::evidence::passage_judge_test_file {
namespace {

using Part = PassageJudge::Part;

TEST(PassageJudgeTest, parts_share_no_group_and_a_null_control_changes_nothing) {
  const auto model = test::tiny_model();
  data::FactSet facts = test::tiny_facts();
  // An untrained model knows nothing: what it says becomes true.
  for (auto& item : facts.contexts) {
    generate::Request closed = with_passage(item, world::prompt_style());
    closed.prompt = {closed.prompt.without_context, ""};
    item.answers = {greedy_answers(*model, {closed}, nn::Compute::f32)[0].text};
  }
  const PassageJudge judge(*model, facts, world::prompt_style(), 3, {40, 10, 0});
  std::set<std::string> groups;
  for (const auto* item : judge.cases(Part::choice, "conflict")) groups.insert(item->group);
  for (const auto* item : judge.cases(Part::judged, "conflict")) EXPECT_FALSE(groups.contains(item->group));
  const auto plain = judge.conflict(Part::judged, {}),
             null = judge.conflict(Part::judged, {generate::control_from("cad:alpha=0")}),
             memory = judge.conflict(Part::judged, {generate::control_from("cad:alpha=-1")});
  EXPECT_NEAR(plain.context + plain.memory + plain.neither, 1, 1e-9);
  EXPECT_EQ(plain.n, int64_t(judge.cases(Part::judged, "conflict").size()));
  EXPECT_EQ(null.memory, plain.memory);
  EXPECT_NEAR(null.fluency.all, plain.fluency.all, 1e-6);
  EXPECT_NEAR(memory.memory, 1, 1e-9);
  EXPECT_EQ(judge.right(Part::judged, "conflict", {generate::control_from("cad:alpha=-1")}), 1);
  EXPECT_THROW(PassageJudge(*model, test::tiny_facts(), world::prompt_style(), 3, {1, 0, 0}), Error);
}

TEST(FluencyTest, is_the_mean_logprob_under_the_likelier_prompt) {
  const auto model = test::tiny_model();
  generate::Request request;
  request.prompt.text = "where was Ada born ?";
  request.max_tokens = 3;
  const auto answer = greedy_answers(*model, {request}, nn::Compute::f32);
  double sum = 0;
  for (const double l : answer[0].logprobs) sum += l;
  const double own = sum / double(answer[0].logprobs.size());
  EXPECT_NEAR(fluency(*model, {{request.prompt}}, answer).all, own, 1e-4);
  EXPECT_NEAR(fluency(*model, {{request.prompt}}, answer).behind,
              (sum - answer[0].logprobs[0]) / double(answer[0].logprobs.size() - 1), 1e-4);
  EXPECT_GE(fluency(*model, {{request.prompt, {"what is the job of Ada ?", ""}}}, answer).all, own - 1e-4);
}

}  // namespace
}  // namespace ken::evidence::passage_judge_test_file
