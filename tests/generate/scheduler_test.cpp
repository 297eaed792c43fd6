// The decode loop, a pass at a time: requests that come while others are under way, that end early, that fail, and rows
// that fork and are dropped.
#include "ken/generate/scheduler.h"

#include <gtest/gtest.h>

#include <numeric>
#include <set>

#include "ken/base/error.h"
#include "tests/fixtures.h"

namespace ken::generate::scheduler_test_file {
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
    good->samples = 5, good->sampling = {.temperature = 0.4};  // they part while the other one fails
    bad->controls = {{.own = [where] { return std::make_unique<Failing>(where); }}};
    std::optional<Outcome> one, two;
    scheduler.submit(good, into(one));
    scheduler.submit(bad, into(two));
    while (scheduler.step()) {
    }
    ASSERT_TRUE(one && two) << where;
    EXPECT_TRUE(two->error) << where;
    EXPECT_FALSE(one->error) << where;
    const auto expected = alone(*good);
    for (size_t j = 0; j < expected.size(); ++j)
      EXPECT_EQ(one->results[j].logprobs, expected[j].logprobs) << where << ' ' << j;
    EXPECT_EQ(scheduler.rows(), 0u) << where;
  }
}

// A row with a Control, even one that does nothing, is read apart.
TEST_F(SchedulerTest, rows_that_have_not_parted_are_read_once) {
  const auto sampled = ask("Once upon a time there was", 24), greedy = ask(sampled->prompt.text, 24);
  sampled->samples = 8, sampled->sampling = {.temperature = 0.5, .seed = 5};
  const auto run = [&](bool apart) {
    Scheduler scheduler(*model, options);
    const std::vector<ControlSpec> controls{{.own = [] { return std::make_unique<Failing>(""); }}};
    std::vector<std::vector<Generated>> results;
    for (const auto& one : {sampled, greedy, greedy}) {
      auto request = std::make_shared<Request>(*one);
      if (apart) request->controls = controls;
      scheduler.submit(request, [&](Outcome o) { results.push_back(std::move(o.results)); });
    }
    while (scheduler.step()) {
    }
    return std::pair(results, scheduler.tokens_read());
  };
  const auto [together, few] = run(false);
  const auto [apart, many] = run(true);
  ASSERT_EQ(together.size(), 3u);
  std::set<std::vector<int32_t>> different;
  size_t chosen = 0;
  for (size_t r = 0; r < together.size(); ++r) {
    ASSERT_EQ(together[r].size(), apart[r].size());
    for (size_t j = 0; j < together[r].size(); ++j) {
      EXPECT_EQ(together[r][j].tokens, apart[r][j].tokens) << r << ' ' << j;
      EXPECT_EQ(together[r][j].logprobs, apart[r][j].logprobs) << r << ' ' << j;
      EXPECT_EQ(together[r][j].entropies, apart[r][j].entropies) << r << ' ' << j;
      std::vector<int32_t> beginning;
      for (const int32_t token : together[r][j].tokens)
        if (beginning.push_back(token); beginning.size() < 24) different.insert(beginning);
    }
    chosen += together[r].size() * 23;
  }
  const size_t prompt = Scheduler(*model, options).ids(*greedy).size();
  EXPECT_EQ(size_t(few), prompt + different.size());  // every beginning of a text once
  EXPECT_EQ(size_t(many), 3 * prompt + chosen);
  EXPECT_LT(few, many);
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

// A twin guesses the next tokens; what it guesses moves nothing.
class Guessing final : public Control {
 public:
  Guessing(std::string text, int64_t tokens) : text_(std::move(text)), tokens_(tokens) {}
  std::vector<Twin> twins(const Prompt&) override { return {text_}; }
  Draft draft() const override { return {0, tokens_}; }
  Tensor combine(Step& step) override {
    step.notes["ahead"] = step.ahead;
    step.notes["twin"] = step.twins[0].max().item<double>();
    return step.logits;
  }

 private:
  std::string text_;
  int64_t tokens_;
};

double sum(const std::vector<double>& values) { return std::accumulate(values.begin(), values.end(), 0.0); }

TEST_F(SchedulerTest, a_draft_changes_passes_and_no_token) {
  const auto answers = [&](const std::string& twin, int64_t tokens, double temperature, const char* stop = "") {
    const auto drafted = ask("Once upon a time", 24), beside = ask("The dog saw a big", 9);
    drafted->sampling = {.temperature = temperature, .seed = 5};
    drafted->samples = temperature > 0 ? 3 : 1;
    drafted->stop = {stop};
    drafted->controls = {{.own = [=] { return std::make_unique<Guessing>(twin, tokens); }}};
    auto all = generate(*model, {*drafted, *beside}, options);
    EXPECT_EQ(all[1][0].logprobs, alone(*beside)[0].logprobs);
    return all[0];
  };
  // The same prompt guesses right, another one mostly wrong.
  for (const std::string twin : {"Once upon a time", "The dog saw a big"})
    for (const double temperature : {0.0, 1.0})
      for (const char* stop : {"", "a"}) {
        const auto plain = answers(twin, 0, temperature, stop);
        for (const int64_t tokens : {1, 3, 40}) {
          const auto drafted = answers(twin, tokens, temperature, stop);
          ASSERT_EQ(drafted.size(), plain.size());
          for (size_t j = 0; j < plain.size(); ++j) {
            EXPECT_EQ(drafted[j].tokens, plain[j].tokens) << twin << " " << temperature << " " << tokens;
            EXPECT_EQ(drafted[j].finish, plain[j].finish);
            ASSERT_EQ(drafted[j].logprobs.size(), plain[j].logprobs.size());
            for (size_t t = 0; t < plain[j].logprobs.size(); ++t) {
              EXPECT_NEAR(drafted[j].logprobs[t], plain[j].logprobs[t], 1e-4);
              EXPECT_NEAR(drafted[j].notes.at("twin")[t], plain[j].notes.at("twin")[t], 1e-4);
            }
          }
        }
      }
  EXPECT_EQ(sum(answers("Once upon a time", 0, 0)[0].notes.at("ahead")), 0);
  // 24 tokens: the first from the prompt's pass, then a pass for one and three guesses.
  EXPECT_EQ(sum(answers("Once upon a time", 3, 0)[0].notes.at("ahead")), 17);
  EXPECT_LT(sum(answers("The dog saw a big", 3, 0)[0].notes.at("ahead")), 17);
}

// What would come after a token, asked of the main stream.
class Trying final : public Control {
 public:
  std::vector<Trial> trials(const Step&) override { return {{0, {10, 11}}}; }
  Tensor combine(Step& step) override {
    step.notes["tried"] = step.tried[0].max().item<double>();
    return step.logits;
  }
};

TEST_F(SchedulerTest, trials_stand_behind_what_is_chosen_and_not_behind_a_draft) {
  const auto tried = [&](int64_t tokens) {
    const auto request = ask("Once upon a time", 12);
    request->controls = {{.own = [=] { return std::make_unique<Guessing>("Once upon a time", tokens); }},
                         {.own = [] { return std::make_unique<Trying>(); }}};
    return alone(*request)[0].notes.at("tried");
  };
  const auto plain = tried(0), drafted = tried(4);
  ASSERT_EQ(plain.size(), drafted.size());
  for (size_t t = 0; t < plain.size(); ++t) EXPECT_NEAR(plain[t], drafted[t], 1e-4);
}

// A tap that changes nothing.
class Looking final : public Control {
 public:
  std::vector<model::Tap> taps() override {
    return {{"blocks.0.hook_resid_post", [](const Tensor&, const model::Site&) { return std::optional<Tensor>(); }}};
  }
};

TEST_F(SchedulerTest, rows_with_taps_read_no_draft) {
  const auto ahead = [&](bool look) {
    const auto request = ask("Once upon a time", 12);
    request->controls = {{.own = [] { return std::make_unique<Guessing>("Once upon a time", 4); }}};
    if (look) request->controls.push_back({.own = [] { return std::make_unique<Looking>(); }});
    return sum(alone(*request)[0].notes.at("ahead"));
  };
  EXPECT_GT(ahead(false), 0);
  EXPECT_EQ(ahead(true), 0);
}

// A beam whose place another one took holds that one's prompt, too.
TEST_F(SchedulerTest, what_a_beam_leaves_is_what_it_read) {
  options.keep_tokens = 1000;
  Scheduler scheduler(*model, options);
  const auto run = [&](const std::shared_ptr<Request>& request) {
    std::optional<Outcome> outcome;
    scheduler.submit(request, into(outcome));
    while (scheduler.step()) {
    }
    return outcome->results;
  };
  const auto request = ask("Once upon a time there was", 24);
  request->controls = {{.own = [] { return std::make_unique<Beams>(); }}};
  request->samples = 4;
  for (const auto& beam : run(request)) {
    ASSERT_GE(int64_t(beam.tokens.size()), Beginnings::least);
    const auto asked = ask("", 4);
    asked->tokens = beam.tokens;
    EXPECT_EQ(run(asked)[0].logprobs, alone(*asked)[0].logprobs);
  }
}

// Half of the logits are those behind another text.
class Divided final : public Control {
 public:
  std::vector<Twin> twins(const Prompt&) override {
    return {std::string("The dog saw a big tree in the garden of the house where they lived")};
  }
  Tensor combine(Step& step) override { return (step.logits + step.twins[0]) / 2; }
};

TEST_F(SchedulerTest, what_a_twin_read_stays_too) {
  options.keep_tokens = 1000;
  Scheduler scheduler(*model, options);
  const auto request = ask("Once upon a time there was a little girl who had a big red ball", 8);
  request->controls = {{.own = [] { return std::make_unique<Divided>(); }}};
  const auto fresh = alone(*request)[0];
  for (int time = 0; time < 2; ++time) {
    std::optional<Outcome> outcome;
    scheduler.submit(request, into(outcome));
    while (scheduler.step()) {
    }
    EXPECT_EQ(outcome->results[0].logprobs, fresh.logprobs);
  }
  // The twin's own text, asked alone, is found read.
  std::optional<Outcome> outcome;
  const auto twin = ask("The dog saw a big tree in the garden of the house where they lived", 2);
  scheduler.submit(twin, into(outcome));
  while (scheduler.step()) {
  }
  EXPECT_EQ(outcome->results[0].reused, int64_t(scheduler.ids(*twin).size()) - 1);
  EXPECT_EQ(outcome->results[0].logprobs, alone(*twin)[0].logprobs);
}

TEST_F(SchedulerTest, what_was_read_stays_for_requests_that_begin_with_it) {
  options.keep_tokens = 200;
  Scheduler scheduler(*model, options);
  const auto run = [&](const std::shared_ptr<Request>& request) {
    std::optional<Outcome> outcome;
    scheduler.submit(request, into(outcome));
    while (scheduler.step()) {
    }
    return outcome->results[0];
  };
  const std::string story = "Once upon a time there was a little girl who had a big red ball and a small dog";
  const auto first = run(ask(story, 10));
  EXPECT_EQ(first.reused, 0);
  const auto again = ask(story, 10), further = ask(story + " and they", 6), other = ask("The dog saw a big", 6);
  const int64_t length = int64_t(scheduler.ids(*again).size());
  for (const auto& request : {again, further, other}) {
    const auto kept = run(request), fresh = alone(*request)[0];
    EXPECT_EQ(kept.tokens, fresh.tokens);
    EXPECT_EQ(kept.logprobs, fresh.logprobs);
    EXPECT_EQ(kept.reused, request == other ? 0 : request == again ? length - 1 : length);
  }
  // A row with a tap has other keys and values: it takes none and leaves none.
  const auto tapped = ask(story, 1);
  tapped->controls = {{.own = [] { return std::make_unique<Failing>("tap"); }}};
  EXPECT_EQ(run(tapped).reused, 0);
  // What was not used for longest makes room.
  for (const char* text : {"The dog saw a big tree in the garden of the house where they lived for many days",
                           "Tom and his mother went to the park on a sunny day and saw many birds in the trees",
                           "One day a cat named Lily found a shiny stone near the river and took it back home"})
    run(ask(text, 90));
  EXPECT_EQ(run(ask(story, 1)).reused, 0);
}

}  // namespace
}  // namespace ken::generate::scheduler_test_file
