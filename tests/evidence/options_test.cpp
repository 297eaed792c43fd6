// Option scores against a plain forward of the whole text, alone and among others.
#include "ken/evidence/options.h"

#include <gtest/gtest.h>

#include "ken/base/error.h"
#include "tests/tiny.h"

namespace ken::evidence::options_test_file {
namespace {

// Sum of log p of the last `n` tokens of `ids`, from one uncached pass over all of them.
double plain_logprob(const model::Model& model, const std::vector<int32_t>& ids, size_t n, nn::Compute compute) {
  at::NoGradGuard no_gradients;
  const auto logits = model::forward(model, model::pack({{ids}}, model.config.vocab),
                                     {.compute = compute, .logits = model::ForwardOptions::Logits::all})
                          .logits.log_softmax(1);
  double sum = 0;
  for (size_t t = ids.size() - n; t < ids.size(); ++t) sum += logits[int64_t(t) - 1][ids[t]].item<double>();
  return sum;
}

std::vector<int32_t> joined(const std::vector<int32_t>& a, const std::vector<int32_t>& b) {
  std::vector<int32_t> all = a;
  all.insert(all.end(), b.begin(), b.end());
  return all;
}

// Prompts of unequal length, with and without a long beginning in common; options of one token and of many.
std::vector<OptionItem> some_items(size_t n) {
  std::vector<OptionItem> items;
  for (size_t i = 0; i < n; ++i) {
    std::string prompt = "Q: where was Ada Lovelace born in the year of the other city ? A:";
    for (size_t k = 0; k < i % 5; ++k) prompt += " the city is";
    items.push_back({prompt, {" London", " the city of Paris and more", " a", " Rome ."}});
  }
  return items;
}

TEST(OptionsTest, a_score_is_the_sum_of_logprobs_of_a_plain_forward) {
  const auto model = test::tiny_model();
  const auto items = some_items(7);
  const auto scores = score_options(*model, items, nn::Compute::f32);
  for (size_t i = 0; i < items.size(); ++i) {
    const OptionTokens tokens = option_tokens(*model, items[i], "test");
    for (size_t o = 0; o < items[i].options.size(); ++o) {
      const auto ids = joined(tokens.prompt, tokens.options[o]);
      EXPECT_EQ(ids, model::prompt_ids(*model, items[i].prompt + items[i].options[o]));
      EXPECT_EQ(scores[i][o].tokens, int64_t(tokens.options[o].size()));
      EXPECT_EQ(scores[i][o].bytes, items[i].options[o].size() - 1);
      EXPECT_NEAR(scores[i][o].logprob, plain_logprob(*model, ids, tokens.options[o].size(), nn::Compute::f32), 1e-4);
    }
  }
}

TEST(OptionsTest, scores_do_not_depend_on_what_else_is_asked) {
  const auto model = test::tiny_model();
  const auto items = some_items(300);  // several groups
  const auto together = score_options(*model, items, nn::Compute::f32);
  for (size_t i : {0, 4, 150, 299}) {
    const auto alone = score_options(*model, {items[i]}, nn::Compute::f32)[0];
    for (size_t o = 0; o < alone.size(); ++o) {
      EXPECT_NEAR(alone[o].logprob, together[i][o].logprob, 1e-4) << i;
      EXPECT_EQ(alone[o].greedy, together[i][o].greedy);
    }
  }
  // The same call gives the same bits.
  const auto again = score_options(*model, items, nn::Compute::f32);
  for (size_t i = 0; i < items.size(); ++i) EXPECT_EQ(again[i][1].logprob, together[i][1].logprob);
}

TEST(OptionsTest, greedy_says_that_the_model_would_have_written_the_option) {
  const auto model = test::tiny_model();
  std::vector<int32_t> ids = model::prompt_ids(*model, "Q: where was Ada born ? A:");
  generate::Request request;
  request.tokens = ids;
  request.max_tokens = 1;
  generate::GenerateOptions options;
  options.compute = nn::Compute::f32;
  const int32_t best = generate::generate(*model, {request}, options)[0][0].tokens.at(0);
  const std::vector<std::string> texts{" London", " a", " Paris", " city", model->tokenizer->decode({&best, 1})};
  const auto scores = score_options(*model, {{"Q: where was Ada born ? A:", texts}}, nn::Compute::f32)[0];
  ASSERT_EQ(scores[4].tokens, 1) << texts[4];
  EXPECT_TRUE(scores[4].greedy) << texts[4];
  for (size_t o = 0; o < 4; ++o) EXPECT_EQ(scores[o].greedy, texts[o] == texts[4]) << texts[o];
}

TEST(OptionsTest, trailing_blanks_of_the_prompt_go_to_the_option) {
  const auto model = test::tiny_model();
  const auto scores = score_options(
      *model, {{"where was Ada born ?", {" London"}}, {"where was Ada born ? ", {"London"}}}, nn::Compute::f32);
  EXPECT_NEAR(scores[0][0].logprob, scores[1][0].logprob, 1e-5);
  EXPECT_EQ(scores[0][0].tokens, scores[1][0].tokens);
  EXPECT_EQ(scores[0][0].bytes, scores[1][0].bytes);
}

TEST(OptionsTest, an_empty_prompt_is_bos) {
  const auto model = test::tiny_model();
  const OptionTokens tokens = option_tokens(*model, {"", {"the city"}}, "test");
  EXPECT_EQ(tokens.prompt, std::vector<int32_t>{*model->tokenizer->bos});
  const auto scores = score_options(*model, {{"", {"the city"}}}, nn::Compute::f32);
  EXPECT_NEAR(
      scores[0][0].logprob,
      plain_logprob(*model, joined(tokens.prompt, tokens.options[0]), tokens.options[0].size(), nn::Compute::f32),
      1e-4);
}

TEST(OptionsTest, fast_compute_is_near_f32) {
  const auto model = test::tiny_model();
  const auto items = some_items(3);
  const auto fast = score_options(*model, items, nn::Compute::fast),
             exact = score_options(*model, items, nn::Compute::f32);
  EXPECT_NEAR(fast[1][1].logprob, exact[1][1].logprob, 0.3);
}

TEST(OptionsTest, what_cannot_be_scored_says_where_and_why) {
  const auto model = test::tiny_model();
  const auto message = [&](const OptionItem& item) -> std::string {
    try {
      option_tokens(*model, item, "file.jsonl:7");
    } catch (const Error& error) {
      return error.what();
    }
    return "no error";
  };
  EXPECT_NE(message({"where ?", {}}).find("[file.jsonl:7] there is no option"), std::string::npos);
  EXPECT_NE(message({"where ?", {" a", ""}}).find("option 2"), std::string::npos);
  std::string words;
  for (int i = 0; i < 200; ++i) words += " the";
  EXPECT_NE(message({words, {" a"}}).find("context holds 128"), std::string::npos);
}

}  // namespace
}  // namespace ken::evidence::options_test_file
