// The decode loop, a pass at a time: requests that come while others are under way, that end early, that fail, and rows
// that fork and are dropped.
#include "ken/generate/scheduler.h"

#include <gtest/gtest.h>

#include "ken/base/error.h"
#include "tests/fixtures.h"

namespace ken::generate {
namespace {

class SchedulerTest : public testing::Test {
 protected:
  void SetUp() override {
    KEN_FIXTURE(path, "models/stories260K/model.gguf");
    static std::shared_ptr<model::Model> loaded = model::load(path);
    model = loaded;
    options.compute = nn::Compute::f32;
  }
  static std::shared_ptr<Request> ask(const std::string& text, int64_t tokens) {
    auto request = std::make_shared<Request>();
    request->prompt.text = text, request->max_tokens = tokens;
    return request;
  }
  std::vector<Generated> alone(const Request& request) { return generate(*model, {request}, options)[0]; }
  static Done into(std::optional<Outcome>& outcome) {
    return [&outcome](Outcome o) { outcome = std::move(o); };
  }
  std::shared_ptr<model::Model> model;
  GenerateOptions options;
};

TEST_F(SchedulerTest, a_request_that_joins_others_under_way_gives_what_it_gives_alone) {
  Scheduler scheduler(*model, options);
  const auto first = ask("Once upon a time", 20), second = ask("The dog saw a big", 12);
  second->sampling = {.temperature = 0.8, .seed = 3};
  std::optional<Outcome> one, two;
  scheduler.submit(first, into(one));
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(scheduler.step());
  scheduler.submit(second, into(two));
  while (scheduler.step()) {
  }
  ASSERT_TRUE(one && two);
  const auto a = alone(*first)[0], b = alone(*second)[0];
  EXPECT_EQ(one->results[0].tokens, a.tokens);
  EXPECT_EQ(one->results[0].logprobs, a.logprobs);
  EXPECT_EQ(two->results[0].tokens, b.tokens);
  EXPECT_EQ(two->results[0].logprobs, b.logprobs);
  EXPECT_EQ(scheduler.rows(), 0u);
}

TEST_F(SchedulerTest, a_cancelled_request_ends_where_it_is_and_leaves_the_others) {
  Scheduler scheduler(*model, options);
  const auto going = ask("Once upon a time", 20), ended = ask("The dog saw a big", 200);
  ended->samples = 2;
  std::optional<Outcome> one, two;
  const uint64_t id = scheduler.submit(ended, into(two));
  scheduler.submit(going, into(one));
  for (int i = 0; i < 4; ++i) scheduler.step();
  scheduler.cancel(id);
  while (scheduler.step()) {
  }
  ASSERT_TRUE(one && two);
  ASSERT_EQ(two->results.size(), 2u);
  EXPECT_EQ(two->results[0].finish, "interrupted");
  EXPECT_EQ(two->results[0].tokens.size(), 4u);
  EXPECT_EQ(one->results[0].tokens, alone(*going)[0].tokens);
}

TEST_F(SchedulerTest, a_request_that_waits_can_be_cancelled_too) {
  options.max_rows = 1;
  Scheduler scheduler(*model, options);
  std::optional<Outcome> one, two;
  scheduler.submit(ask("Once upon a time", 6), into(one));
  const uint64_t id = scheduler.submit(ask("The dog", 6), into(two));
  scheduler.step();
  EXPECT_EQ(scheduler.waiting(), 1u);
  scheduler.cancel(id);
  scheduler.step();
  ASSERT_TRUE(two);
  EXPECT_EQ(two->results[0].finish, "interrupted");
  while (scheduler.step()) {
  }
  EXPECT_EQ(one->results[0].tokens.size(), 6u);
}

// Fails at a place of its life.
class Failing final : public Control {
 public:
  explicit Failing(std::string where) : where_(std::move(where)) {}
  void rewrite(Prompt&) override {
    if (where_ == "rewrite") fail("test", "rewrite");
  }
  std::vector<model::Tap> taps() override {
    if (where_ != "tap") return {};
    return {{"blocks.0.hook_resid_post", [this](const Tensor&, const model::Site&) -> std::optional<Tensor> {
               if (++seen_ >= 3) fail("test", "tap");
               return std::nullopt;
             }}};
  }
  std::vector<Trial> trials(const Step& step) override {
    if (where_ == "trials" && step.index == 2) fail("test", "trials");
    return {};
  }
  Tensor combine(Step& step) override {
    if (where_ == "combine" && step.index == 2) fail("test", "combine");
    return where_ == "nan" && step.index == 2 ? at::full_like(step.logits, NAN) : step.logits;
  }

 private:
  std::string where_;
  int seen_ = 0;
};

TEST_F(SchedulerTest, a_request_that_fails_fails_alone) {
  for (const char* where : {"rewrite", "tap", "trials", "combine", "nan"}) {
    Scheduler scheduler(*model, options);
    const auto good = ask("Once upon a time", 8), bad = ask("The dog saw", 8);
    bad->samples = 2;
    bad->controls = {{.own = [where] { return std::make_unique<Failing>(where); }}};
    std::optional<Outcome> one, two;
    scheduler.submit(good, into(one));
    scheduler.submit(bad, into(two));
    while (scheduler.step()) {
    }
    ASSERT_TRUE(one && two) << where;
    EXPECT_TRUE(two->error) << where;
    EXPECT_FALSE(one->error) << where;
    EXPECT_EQ(one->results[0].logprobs, alone(*good)[0].logprobs) << where;
    EXPECT_EQ(scheduler.rows(), 0u) << where;
  }
}

TEST_F(SchedulerTest, a_prompt_that_does_not_fit_fails_alone) {
  Scheduler scheduler(*model, options);
  std::optional<Outcome> one, two;
  scheduler.submit(ask("Once", 100000), into(one));
  scheduler.submit(ask("Once", 4), into(two));
  while (scheduler.step()) {
  }
  EXPECT_TRUE(one->error);
  EXPECT_EQ(two->results[0].tokens.size(), 4u);
}

// Plain beam search: each row proposes its likeliest tokens, ranked by the probability of the whole.
class Beams final : public Control {
 public:
  Tensor combine(Step& step) override {
    double so_far = 0;
    for (const double l : *step.logprobs) so_far += l;
    const auto [values, tokens] = at::log_softmax(step.logits.to(at::kDouble), -1).topk(4);
    for (int64_t i = 0; i < 4; ++i)
      step.proposals.push_back({int32_t(tokens[i].item<int64_t>()), so_far + values[i].item<double>()});
    return step.logits;
  }
};

TEST_F(SchedulerTest, rows_that_propose_are_a_beam_search) {
  constexpr int64_t tokens = 6;
  const auto request = ask("Once upon a time there was", tokens);
  request->controls = {{.own = [] { return std::make_unique<Beams>(); }}};
  const auto greedy = alone(*request);
  EXPECT_EQ(greedy[0].tokens, alone(*ask("Once upon a time there was", tokens))[0].tokens);
  request->samples = 3;
  const auto beams = alone(*request);
  ASSERT_EQ(beams.size(), 3u);
  EXPECT_GE(beams[0].score, greedy[0].score);
  EXPECT_GE(beams[0].score, beams[1].score);
  EXPECT_GE(beams[1].score, beams[2].score);
  for (size_t i = 0; i < 3; ++i) {
    // A fork's cache is its parent's: the probabilities are those of the same tokens read anew.
    double sum = 0;
    for (const double l : beams[i].logprobs) sum += l;
    EXPECT_NEAR(sum, beams[i].score, 1e-4);
    auto ids = model::prompt_ids(*model, request->prompt.text);
    const int64_t first = int64_t(ids.size()) - 1;
    ids.insert(ids.end(), beams[i].tokens.begin(), beams[i].tokens.end());
    const auto batch = model::pack({{ids}}, model->config.vocab);
    const Tensor logits = model::forward(*model, batch, {.logits = model::ForwardOptions::Logits::all}).logits;
    for (size_t t = 0; t < beams[i].tokens.size(); ++t)
      EXPECT_NEAR(at::log_softmax(logits[first + int64_t(t)], -1)[beams[i].tokens[t]].item<double>(),
                  beams[i].logprobs[t], 1e-4);
    for (size_t j = 0; j < i; ++j) EXPECT_NE(beams[i].tokens, beams[j].tokens);
  }
}

TEST_F(SchedulerTest, beams_do_not_depend_on_what_else_is_asked) {
  const auto request = ask("Once upon a time there was", 6);
  request->controls = {{.own = [] { return std::make_unique<Beams>(); }}};
  request->samples = 3;
  const auto by_itself = alone(*request);
  const auto together = generate(*model, {*ask("The dog", 9), *request, *request}, options);
  for (const size_t r : {1u, 2u})
    for (size_t i = 0; i < 3; ++i) EXPECT_EQ(together[r][i].tokens, by_itself[i].tokens);
}

}  // namespace
}  // namespace ken::generate
