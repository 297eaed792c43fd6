// Exact answers within longer ones, and what resampled answers say of a question.
#include "ken/evidence/exact_answer.h"

#include <gtest/gtest.h>

#include "tests/tiny.h"

namespace ken::evidence::exact_answer_test_file {
namespace {

std::vector<std::string> repeat(const std::vector<std::pair<std::string, int>>& parts) {
  std::vector<std::string> all;
  for (const auto& [text, n] : parts) all.insert(all.end(), size_t(n), text);
  return all;
}

std::vector<std::string> types(const std::vector<std::pair<std::string, int>>& parts) {
  return error_types(resample(repeat(parts), {"Rome"}));
}

TEST(ExactAnswerTest, wrong_answers_that_contain_one_another_are_one) {
  const Resampled counts = resample(repeat({{"Rome", 3}, {"old Turin", 2}, {"turin", 4}, {"Milan", 1}}), {"Rome"});
  EXPECT_EQ(counts.right, 3);
  EXPECT_EQ(counts.distinct_wrong, 2);
  EXPECT_EQ(counts.most_wrong, 6);
  EXPECT_FALSE(counts.mostly_none);
}

TEST(ExactAnswerTest, the_types_follow_the_authors_thresholds) {
  using Names = std::vector<std::string>;
  EXPECT_EQ(types({{"Rome", 30}}), (Names{"consistently correct"}));
  EXPECT_EQ(types({{"Rome", 16}, {"Turin", 14}}), (Names{"consistently correct", "two competing"}));
  EXPECT_EQ(types({{"Turin", 30}}), (Names{"consistently incorrect"}));
  EXPECT_EQ(types({{"Turin", 25}, {"Rome", 5}}), (Names{"consistently incorrect"}));
  EXPECT_EQ(types({{"", 20}, {"Rome", 10}}), (Names{"no answer"}));
  // Nine wrong answers are many if some are right, ten if none is.
  std::vector<std::pair<std::string, int>> nine = {{"Rome", 12}};
  for (int i = 0; i < 9; ++i) nine.emplace_back("city" + std::to_string(i) + "x", 2);
  EXPECT_EQ(types(nine), (Names{"many answers"}));
  nine[0] = {"city0x", 12};
  EXPECT_TRUE(types(nine).empty());
}

TEST(ExactAnswerTest, statements_are_asked_up_to_their_answer_and_read_up_to_what_follows_it) {
  const auto model = test::tiny_model();
  data::FactSet set = test::tiny_facts();
  const readout::AnalysisInput input{*model, set, world::prompt_style(), 1};
  const auto open = open_facts(input, true, 30);
  ASSERT_EQ(open.size(), 30u);
  for (const auto& asked : open) {
    const std::string& prompt = asked.request.prompt.text;
    EXPECT_EQ(asked.fact->statement.rfind(prompt, 0), 0u) << prompt;
    EXPECT_NE(prompt.find(asked.fact->subject), std::string::npos);
    EXPECT_EQ(prompt.find(asked.fact->answers.front()), std::string::npos);
    EXPECT_TRUE(asked.request.stop.empty());
  }
  const OpenFact& first = open.front();
  generate::Generated said;
  const std::string answer = first.fact->answers.front();
  said.tokens = model->tokenizer->encode(answer + " . that is right .");
  said.logprobs.assign(said.tokens.size() + 1, -1);
  const LongAnswer read = read_answer(*model->tokenizer, said, first);
  EXPECT_EQ(read.exact, answer);
  EXPECT_TRUE(read.right);
  EXPECT_EQ(read.span.first, 0);
  EXPECT_LT(read.span.last, int64_t(said.tokens.size()) - 4);
  EXPECT_EQ(read.tokens.size(), said.tokens.size() + size_t(model->tokenizer->eos.has_value()));
  said.tokens = model->tokenizer->encode(" .");
  said.logprobs.assign(said.tokens.size(), -1);
  EXPECT_FALSE(read_answer(*model->tokenizer, said, first).span.found());
}

}  // namespace
}  // namespace ken::evidence::exact_answer_test_file
