// The decode loop: exact greedy continuation, independence of batching, forks, stops, Controls and their null setting.
#include <gtest/gtest.h>

#include "ken/base/rng.h"
#include "ken/generate/generate.h"
#include "tests/fixtures.h"

namespace ken::generate::generate_test_file {
namespace {

std::shared_ptr<model::Model> stories() {
  const auto path = test::fixture("models/stories260K/model.gguf");
  static std::shared_ptr<model::Model> model = path ? model::load(*path) : nullptr;
  return model;
}

class GenerateTest : public testing::Test {
 protected:
  void SetUp() override {
    model = stories();
    if (model) return;
    if (test::fixtures_required()) FAIL() << "fixture models/stories260K is missing; set KEN_FIXTURES";
    GTEST_SKIP() << "fixture models/stories260K not found; set KEN_FIXTURES to the fixtures folder";
  }
  std::vector<std::vector<Generated>> run(const std::vector<Request>& requests,
                                          nn::Compute compute = nn::Compute::f32) {
    GenerateOptions options;
    options.compute = compute;
    return generate(*model, requests, options);
  }
  static Request ask(const std::string& text, int64_t tokens) {
    Request request;
    request.prompt.text = text;
    request.max_tokens = tokens;
    return request;
  }
  std::shared_ptr<model::Model> model;
};

TEST_F(GenerateTest, greedy_continuation_of_200_tokens_is_identical_to_the_reference) {
  KEN_FIXTURE(path, "models/stories260K/greedy.json");
  const Json reference = Json::parse(read_text(path));
  Request request = ask("Once upon a time", 200);
  const auto result = run({request})[0][0];
  EXPECT_EQ(result.tokens, reference.at("new_ids").get<std::vector<int32_t>>());
}

TEST_F(GenerateTest, sampled_rows_do_not_depend_on_the_batch_or_the_threads) {
  std::vector<Request> requests;
  for (int i = 0; i < 7; ++i) {
    Request request = ask(i % 2 ? "The dog saw a big" : "Once upon a time there was a little girl named", 12 + i);
    request.sampling = {.temperature = 0.9, .top_k = 40, .top_p = 0.95, .min_p = 0.01, .seed = 7};
    request.samples = 1 + i % 3;
    request.key = uint64_t(i);
    requests.push_back(request);
  }
  const auto together = run(requests);
  at::set_num_threads(1);
  for (size_t i = 0; i < requests.size(); ++i) {
    const auto alone = run({requests[i]})[0];
    ASSERT_EQ(alone.size(), together[i].size());
    for (size_t j = 0; j < alone.size(); ++j) EXPECT_EQ(alone[j].tokens, together[i][j].tokens) << i << "/" << j;
  }
  at::set_num_threads(2);
}

TEST_F(GenerateTest, samples_of_one_prompt_differ_and_repeat_with_the_seed) {
  Request request = ask("Once upon a time", 16);
  request.samples = 4;
  request.sampling = {.temperature = 1, .seed = 3};
  const auto first = run({request})[0], again = run({request})[0];
  EXPECT_EQ(first[1].tokens, again[1].tokens);
  EXPECT_NE(first[0].tokens, first[1].tokens);
  request.sampling.seed = 4;
  EXPECT_NE(first[0].tokens, run({request})[0][0].tokens);
}

TEST_F(GenerateTest, a_stop_text_cuts_the_answer_and_counts_its_tokens) {
  Request request = ask("Once upon a time", 60);
  request.stop = {"."};
  const auto result = run({request})[0][0];
  EXPECT_EQ(result.finish, "stop");
  EXPECT_EQ(result.text.find('.'), std::string::npos);
  EXPECT_LT(result.answer_tokens, int64_t(result.tokens.size()));
  EXPECT_EQ(result.logprobs.size(), result.tokens.size());
}

TEST_F(GenerateTest, streamed_pieces_are_the_whole_text) {
  Request request = ask("Once upon a time", 40);
  std::string streamed;
  request.on_text = [&](const Piece& piece) { streamed += piece.text; };
  const auto result = run({request})[0][0];
  EXPECT_EQ(streamed, model->tokenizer->decode(result.tokens));
}

Request with_context(double alpha) {
  Request request;
  request.prompt = {"The cat was red. The cat was", "The cat was"};
  request.max_tokens = 8;
  request.controls = {control_from("cad", {{"alpha", alpha}})};
  return request;
}

TEST_F(GenerateTest, cad_at_zero_is_plain_and_at_minus_one_is_memory_alone) {
  Request plain = ask("The cat was red. The cat was", 8), memory = ask("The cat was", 8);
  const auto rows = run({with_context(0), with_context(-1), with_context(2), plain, memory});
  EXPECT_EQ(rows[0][0].tokens, rows[3][0].tokens);
  EXPECT_EQ(rows[0][0].logprobs, rows[3][0].logprobs);
  EXPECT_EQ(rows[1][0].tokens, rows[4][0].tokens);
  EXPECT_NE(rows[2][0].logprobs, rows[3][0].logprobs);
}

TEST_F(GenerateTest, a_control_without_its_passage_is_a_usage_error) {
  Request request = with_context(1);
  request.prompt.without_context.clear();
  EXPECT_THROW(run({request}), UsageError);
}

TEST_F(GenerateTest, empty_and_overlong_prompts_are_clear_errors) {
  EXPECT_THROW(run({ask("", 4)}), Error);
  std::string longer;
  for (int i = 0; i < 600; ++i) longer += " dog";
  try {
    run({ask(longer, 4)});
    FAIL() << "an overlong prompt was accepted";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("context holds 512"), std::string::npos) << error.what();
  }
}

TEST_F(GenerateTest, nan_weights_are_refused_where_they_would_be_used) {
  const auto broken = std::make_shared<model::Model>(*model);
  broken->ln_final = at::full_like(model->ln_final, NAN);
  EXPECT_THROW(generate(*broken, {ask("Once", 2)}, {}), Error);
}

TEST(SamplerTest, filters_keep_what_they_say) {
  const std::vector<float> logits{std::log(0.5f), std::log(0.3f), std::log(0.15f), std::log(0.05f)};
  std::map<int, int> top_k, top_p, min_p, all;
  for (uint64_t i = 0; i < 4000; ++i) {
    ++all[sample(logits, {.temperature = 1, .seed = 1}, i, 0)];
    ++top_k[sample(logits, {.temperature = 1, .top_k = 2, .seed = 1}, i, 0)];
    ++top_p[sample(logits, {.temperature = 1, .top_p = 0.8, .seed = 1}, i, 0)];
    ++min_p[sample(logits, {.temperature = 1, .min_p = 0.2, .seed = 1}, i, 0)];
  }
  EXPECT_EQ(top_k.size(), 2u);
  EXPECT_EQ(top_p.size(), 2u);
  EXPECT_EQ(min_p.size(), 3u);
  EXPECT_NEAR(all[0] / 4000.0, 0.5, 0.03);
  EXPECT_NEAR(all[3] / 4000.0, 0.05, 0.015);
}

// The shortcut past the logarithms must never change the choice.
TEST(SamplerTest, the_choice_is_the_argmax_over_all_noise) {
  for (uint64_t draw = 0; draw < 300; ++draw) {
    Rng rng(9, draw);
    std::vector<float> logits(700);
    for (float& x : logits) x = float(rng.normal() * double(1 + draw % 7));
    const double temperature = draw % 3 == 0 ? 0.3 : draw % 3 == 1 ? 1 : 2.5;
    int32_t expected = 0;
    double highest = -INFINITY;
    for (size_t t = 0; t < logits.size(); ++t) {
      const double value = double(logits[t]) / temperature + gumbel(3, draw, 5, t);
      if (value > highest) highest = value, expected = int32_t(t);
    }
    ASSERT_EQ(sample(logits, {.temperature = temperature, .seed = 3}, draw, 5), expected);
  }
}

TEST(SamplerTest, the_spread_is_that_of_the_softmax) {
  const std::vector<float> logits{0.5f, -2, 3, 2.5f, -INFINITY};
  double sum = 0, entropy = 0;
  for (const float x : logits) sum += std::exp(double(x));
  for (const float x : logits)
    if (std::isfinite(x)) entropy -= std::exp(double(x)) / sum * (double(x) - std::log(sum));
  const Spread s = spread(logits);
  EXPECT_NEAR(s.max + s.log_sum, std::log(sum), 1e-6);
  EXPECT_NEAR(s.entropy, entropy, 1e-6);
  EXPECT_NEAR(s.margin, (std::exp(3.0) - std::exp(2.5)) / sum, 1e-6);
}

TEST(SamplerTest, greedy_takes_the_first_of_equals_and_bad_values_are_named) {
  EXPECT_EQ(sample(std::vector<float>{1, 3, 3}, {}, 0, 0), 1);
  EXPECT_THROW(check({.temperature = -1}), UsageError);
  EXPECT_THROW(check({.temperature = 1, .top_p = 0}), UsageError);
}

// Prompts that begin alike, as worked examples make them; the last one is a beginning of the others.
std::vector<Request> alike() {
  const std::string begin =
      "Once upon a time there was a little girl named Lily. She loved to play outside in the park with her dog.";
  std::vector<Request> requests;
  for (const char* end : {" One day", " Her mother", " The dog ran", "", " One day"})
    requests.push_back({.prompt = {begin + end, ""}, .max_tokens = 8, .key = requests.size()});
  return requests;
}

TEST_F(GenerateTest, what_prompts_begin_with_in_common_changes_no_answer) {
  const auto requests = alike();
  const auto together = run(requests);
  for (size_t i = 0; i < requests.size(); ++i) {
    const auto alone = run({requests[i]});
    EXPECT_EQ(together[i][0].tokens, alone[0][0].tokens) << i;
    for (size_t t = 0; t < alone[0][0].logprobs.size(); ++t)
      EXPECT_NEAR(together[i][0].logprobs[t], alone[0][0].logprobs[t], 1e-4) << i << " " << t;
  }
}

TEST_F(GenerateTest, a_row_with_taps_reads_its_whole_prompt) {
  // A control that counts the positions its tap saw.
  static int64_t seen = 0;
  struct Counter final : Control {
    std::vector<model::Tap> taps() override {
      return {{"hook_embed", [](const Tensor& x, const model::Site&) {
                 seen += x.size(0);
                 return std::optional<Tensor>();
               }}};
    }
  };
  static const ControlEntry entry{{.id = "counter"},
                                  [](const Json&) -> std::unique_ptr<Control> { return std::make_unique<Counter>(); }};
  auto requests = alike();
  requests[1].controls = {{&entry, Json::object()}};
  requests[1].max_tokens = 1;
  seen = 0;
  run(requests);
  EXPECT_EQ(seen, int64_t(model::prompt_ids(*model, requests[1].prompt.text).size()));
}

TEST_F(GenerateTest, an_end_token_ends_an_answer_as_eos_does) {
  const Request request{.prompt = {"Once upon a time", ""}, .max_tokens = 8};
  const auto whole = run({request})[0][0];
  Request ended = request;
  ended.ends = {whole.tokens[3]};
  const auto found = run({ended})[0][0];
  EXPECT_EQ(found.finish, "stop");
  EXPECT_EQ(found.tokens, std::vector<int32_t>(whole.tokens.begin(), whole.tokens.begin() + 3));
  EXPECT_EQ(found.answer_tokens, 3);
  EXPECT_EQ(found.logprobs.size(), 4u);
}

TEST_F(GenerateTest, an_interrupted_answer_keeps_what_it_had) {
  int asked = 0;
  GenerateOptions options;
  options.compute = nn::Compute::f32;
  options.interrupted = [&] { return ++asked > 3; };
  const auto found = generate(*model, {{.prompt = {"Once upon a time", ""}, .max_tokens = 50}}, options)[0][0];
  EXPECT_EQ(found.finish, "interrupted");
  EXPECT_EQ(found.tokens.size(), 3u);
}

}  // namespace
}  // namespace ken::generate::generate_test_file
