// Counterfactual tokens: a replay is the same text, what comes before the edit stays, noise belongs to token ids, and
// hindsight noise gives the observed text and is distributed as noise is.
#include <gtest/gtest.h>

#include "ken/base/error.h"
#include "ken/evidence/agreement.h"
#include "ken/generate/generate.h"
#include "tests/tiny.h"

namespace ken::generate::counterfactual_tokens_test_file {
namespace {

class CounterfactualTokensTest : public testing::Test {
 protected:
  std::vector<Generated> written(const std::string& params, int64_t samples = 3, int64_t rows = 256,
                                 const char* text = "Ada was born in 1984 .", Sampling sampling = {1, 0, 1, 0, 7}) {
    std::vector<Request> requests;
    for (uint64_t key = 0; key < 4; ++key) {
      Request r{.prompt = {text, ""}, .sampling = sampling, .max_tokens = 8, .samples = samples, .key = key};
      if (params != "-") r.controls = {control_from("counterfactual-tokens:" + params)};
      requests.push_back(std::move(r));
    }
    std::vector<Generated> texts;
    for (auto& some : generate(*model, requests, {.compute = nn::Compute::f32, .max_rows = rows}))
      for (auto& one : some) texts.push_back(std::move(one));
    return texts;
  }
  static double same(const std::vector<Generated>& a, const std::vector<Generated>& b) {
    return evidence::identical(a, b);
  }
  std::shared_ptr<model::Model> model = test::tiny_model();
};

TEST_F(CounterfactualTokensTest, a_thousand_replays_are_token_identical_whatever_the_batch_and_the_threads) {
  const auto factual = written("-", 250);
  ASSERT_EQ(factual.size(), 1000u);
  const int threads = at::get_num_threads();
  for (const int n : {1, 2})
    for (const int64_t rows : {int64_t(250), int64_t(1000)}) {
      at::set_num_threads(n);
      EXPECT_EQ(same(factual, written("noise=same", 250, rows)), 1) << rows << " rows, " << n << " threads";
    }
  at::set_num_threads(threads);
  EXPECT_LT(same(factual, written("noise=fresh", 250)), 0.1);
}

TEST_F(CounterfactualTokensTest, a_row_alone_is_the_row_in_a_batch) {
  Request one{.prompt = {"Ada was born in 1984 .", ""}, .sampling = {1, 0, 1, 0, 7}, .max_tokens = 8};
  one.controls = {control_from("counterfactual-tokens:swap=Ada>Grace")};
  const auto alone = generate(*model, {one}, {.compute = nn::Compute::f32})[0][0];
  const auto batch = written("swap=Ada>Grace");
  EXPECT_EQ(alone.tokens, batch[0].tokens);
  for (size_t t = 0; t < alone.logprobs.size(); ++t)
    EXPECT_NEAR(alone.logprobs[t], batch[0].logprobs[t], 1e-5 * std::abs(alone.logprobs[t]));
}

TEST_F(CounterfactualTokensTest, a_replaced_token_leaves_what_is_before_it_and_stands_where_it_is_put) {
  const auto factual = written("-"), other = written("at=2,token=born");
  const int32_t born = model->tokenizer->encode("born").at(0);
  for (size_t i = 0; i < factual.size(); ++i) {
    if (factual[i].tokens.size() < 3) continue;
    EXPECT_EQ(other[i].tokens[0], factual[i].tokens[0]);
    EXPECT_EQ(other[i].tokens[1], factual[i].tokens[1]);
    EXPECT_EQ(other[i].tokens[2], born);
    EXPECT_EQ(other[i].logprobs[2], 0);
  }
  // Two tokens for one: the next one takes the noise that followed the one, and `shift` undoes it.
  const auto control = control_from("counterfactual-tokens:at=0,token=born born").make();
  control->begin({*model, nn::Compute::f32});
  const Sampling sampling{1, 0, 1, 0, 7};
  Step step{.logits = at::zeros({model->config.vocab}), .index = 2, .sampling = &sampling, .sequence = 5};
  control->combine(step);
  EXPECT_NEAR(step.noise[9].item<double>(), gumbel(7, 5, 1, 9), 1e-12);
}

TEST_F(CounterfactualTokensTest, an_equal_prompt_with_the_same_noise_is_the_same_text_and_another_seed_is_not) {
  // The swap is undone by its own words: another prompt text that ends as the factual one.
  EXPECT_EQ(same(written("-"), written("swap=Grace>Ada", 3, 256, "Grace was born in 1984 .")), 1);
  EXPECT_LT(same(written("-"), written("noise=fresh")), 0.5);
  EXPECT_EQ(same(written("noise=position"), written("noise=position")), 1);
  EXPECT_LT(same(written("-"), written("noise=position")), 0.5);
}

TEST_F(CounterfactualTokensTest, position_noise_reads_the_filtered_distribution_from_the_likeliest_down) {
  const Tensor logits = at::log(at::tensor({0.1f, 0.6f, 0.3f}));
  const auto share = [&](Sampling sampling) {
    std::vector<double> n(3);
    const auto control = control_from("counterfactual-tokens:noise=position").make();
    for (uint64_t i = 0; i < 4000; ++i) {
      Step step{.logits = logits, .sampling = &sampling, .sequence = i};
      const Tensor out = control->combine(step), noise = step.noise.to(at::kFloat).contiguous();
      n[size_t(sample({out.data_ptr<float>(), 3}, sampling, {noise.data_ptr<float>(), 3}))] += 1.0 / 4000;
    }
    return n;
  };
  const auto all = share({1, 0, 1, 0, 3}), two = share({1, 2, 1, 0, 3}), nucleus = share({1, 0, 0.6, 0, 3});
  EXPECT_NEAR(all[1], 0.6, 0.03);
  EXPECT_NEAR(all[0], 0.1, 0.03);
  EXPECT_NEAR(two[1], 2 / 3.0, 0.03);
  EXPECT_EQ(two[0], 0);
  EXPECT_EQ(nucleus[2] + nucleus[0], 0);
}

TEST_F(CounterfactualTokensTest, hindsight_noise_gives_the_observed_text_and_is_gumbel_noise_on_the_whole) {
  const std::string text = "Ada works as engineer .";
  const auto observed = model->tokenizer->encode(text);
  for (const auto& one : written("observed=" + text))
    EXPECT_TRUE(std::equal(observed.begin(), observed.end(), one.tokens.begin()));
  // With its end, and under a seed that never saw it.
  for (const auto& one : written("ended=true,observed=" + text, 3, 256, "Ada was born in 1984 .", {0.7, 0, 1, 0, 99})) {
    EXPECT_EQ(one.tokens, observed);
    EXPECT_EQ(one.finish, "stop");
  }
  // Averaged over what is sampled, the posterior is the prior: mean 0.5772, variance pi^2 / 6, tokens independent.
  const Sampling sampling{1, 0, 1, 0, 3};
  const std::vector<int32_t> prompt = model::prompt_ids(*model, "Ada");
  const Tensor logits = model::forward(*model, model::pack({{prompt}}, model->config.vocab), {}).logits[0];
  std::vector<double> drawn;
  for (uint64_t i = 0; i < 600; ++i) {
    const int32_t won = sample({logits.data_ptr<float>(), size_t(logits.numel())}, {1, 0, 1, 0, 50}, i, 0);
    // A text is observed, not a token: those that no text gives are left out.
    const std::string word = model->tokenizer->decode({&won, 1});
    if (word.size() < 2 || model->tokenizer->encode(word.substr(word[0] == ' ')) != std::vector<int32_t>{won}) continue;
    const auto control = control_from("counterfactual-tokens", {{"observed", word}}).make();
    control->begin({*model, nn::Compute::f32});
    Prompt asked{"Ada", ""};
    control->rewrite(asked);
    Step step{.logits = logits, .sampling = &sampling, .sequence = i};
    control->combine(step);
    const double* u = step.noise.data_ptr<double>();
    drawn.insert(drawn.end(), u, u + step.noise.numel());
  }
  double mean = 0, square = 0;
  for (const double u : drawn) mean += u / double(drawn.size()), square += u * u / double(drawn.size());
  EXPECT_NEAR(mean, 0.5772, 0.01);
  EXPECT_NEAR(square - mean * mean, 1.6449, 0.03);
}

TEST_F(CounterfactualTokensTest, refuses_what_cannot_be_edited) {
  EXPECT_THROW(written("swap=Nobody>Grace"), UsageError);
  EXPECT_THROW(written("at=1"), UsageError);
  EXPECT_THROW(written("token=born"), UsageError);
  EXPECT_THROW(written("swap=Ada"), UsageError);
  EXPECT_THROW(written("swap=Ada>"), UsageError);
  EXPECT_THROW(written("observed=Ada,noise=position"), UsageError);
}

}  // namespace
}  // namespace ken::generate::counterfactual_tokens_test_file
