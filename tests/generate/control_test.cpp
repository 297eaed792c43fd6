// What a Control may ask of the loop beside twins of its own model: second models, trials, its own noise, taps on
// twins, and state that further samples take over.
#include "ken/base/error.h"
#include "ken/generate/generate.h"
#include "tests/tiny.h"

#include <gtest/gtest.h>

namespace ken::generate::control_test_file {
namespace {

const char* text = "the birthplace of";

class ControlTest : public ::testing::Test {
 protected:
  static std::vector<std::vector<Generated>> run(const std::vector<Request>& requests) {
    GenerateOptions options;
    options.compute = nn::Compute::f32;
    return generate(*model(), requests, options);
  }
  static const std::shared_ptr<model::Model>& model() {
    static const auto shared = test::tiny_model();
    return shared;
  }
  static Request request(std::function<std::unique_ptr<Control>()> make, int64_t tokens = 4) {
    return {.prompt = {text, ""}, .max_tokens = tokens, .controls = {{.own = std::move(make)}}};
  }
};

// Answers with a second model's logits alone.
struct Other final : Control {
  explicit Other(std::shared_ptr<const model::Model> model) : model(std::move(model)) {}
  std::vector<Twin> twins(const Prompt& prompt) override { return {{prompt.text, model}}; }
  Tensor combine(Step& step) override { return step.twins[0]; }
  std::shared_ptr<const model::Model> model;
};

TEST_F(ControlTest, a_twin_may_be_read_by_another_model) {
  const std::shared_ptr<const model::Model> second = test::tiny_model(7);
  const auto through = run({request([second] { return std::make_unique<Other>(second); }), {.prompt = {text, ""}}});
  GenerateOptions options;
  options.compute = nn::Compute::f32;
  const auto alone = generate(*second, {{.prompt = {text, ""}, .max_tokens = 4}}, options);
  EXPECT_EQ(through[0][0].tokens, alone[0][0].tokens);
  for (size_t t = 0; t < 4; ++t) EXPECT_NEAR(through[0][0].logprobs[t], alone[0][0].logprobs[t], 1e-4);
}

TEST_F(ControlTest, a_second_model_of_another_vocabulary_is_refused) {
  auto other = test::tiny_model(7);
  other->config.vocab -= 1;
  EXPECT_THROW(run({request([other] { return std::make_unique<Other>(other); })}), Error);
}

// Chooses by what the model says after trying each of two tokens, and notes it.
struct Tries final : Control {
  std::vector<Trial> trials(const Step& step) override {
    const Tensor best = std::get<1>(step.logits.topk(2));
    tokens = {int32_t(best[0].item<int64_t>()), int32_t(best[1].item<int64_t>())};
    return {{0, {tokens[0]}}, {0, {tokens[1], tokens[0]}}};
  }
  Tensor combine(Step& step) override {
    EXPECT_EQ(step.tried.size(), 2u);
    step.notes["first"] = step.tried[0].max().item<double>();
    step.notes["second"] = step.tried[1].max().item<double>();
    return step.logits;
  }
  std::vector<int32_t> tokens;
};

TEST_F(ControlTest, trials_leave_no_trace_and_see_what_would_come) {
  const auto plain = run({{.prompt = {text, ""}, .max_tokens = 4}});
  const auto tried = run({request([] { return std::make_unique<Tries>(); }), {.prompt = {text, ""}, .max_tokens = 4}});
  EXPECT_EQ(tried[0][0].tokens, plain[0][0].tokens);
  EXPECT_EQ(tried[1][0].tokens, plain[0][0].tokens);
  for (size_t t = 0; t < 4; ++t) EXPECT_NEAR(tried[0][0].logprobs[t], plain[0][0].logprobs[t], 1e-5);
  // The likeliest token, tried, gives the logits of the next step.
  std::vector<int32_t> tokens = model::prompt_ids(*model(), text);
  tokens.push_back(plain[0][0].tokens[0]);
  const Tensor next =
      model::forward(*model(), model::pack({{tokens}}, model()->config.vocab), {.compute = nn::Compute::f32}).logits[0];
  EXPECT_NEAR(tried[0][0].notes.at("first")[0], next.max().item<double>(), 1e-4);
}

struct BadTrial final : Control {
  std::vector<Trial> trials(const Step&) override { return {{3, {1}}}; }
};
TEST_F(ControlTest, a_trial_of_a_stream_that_is_not_there_is_an_error) {
  EXPECT_THROW(run({request([] { return std::make_unique<BadTrial>(); })}), Error);
}

// The sampler's own noise, handed over by the Control; or its negative.
struct Noise final : Control {
  explicit Noise(float sign) : sign(sign) {}
  Tensor combine(Step& step) override {
    step.noise = at::empty_like(step.logits);
    for (int64_t v = 0; v < step.logits.numel(); ++v)
      step.noise.data_ptr<float>()[v] =
          sign * float(gumbel(step.sampling->seed, step.sequence, uint64_t(step.index), uint64_t(v)));
    return step.logits;
  }
  float sign;
};

TEST_F(ControlTest, noise_of_its_own_replays_the_samplers) {
  for (const Sampling& sampling :
       {Sampling{.temperature = 1, .seed = 5}, Sampling{.temperature = 0.7, .top_k = 20, .seed = 6}}) {
    Request plain{.prompt = {text, ""}, .sampling = sampling, .max_tokens = 8, .samples = 3, .key = 9};
    Request same = plain, other = plain;
    same.controls = {{.own = [] { return std::make_unique<Noise>(1.0f); }}};
    other.controls = {{.own = [] { return std::make_unique<Noise>(-1.0f); }}};
    const auto found = run({plain, same, other});
    for (size_t s = 0; s < 3; ++s) EXPECT_EQ(found[0][s].tokens, found[1][s].tokens) << s;
    EXPECT_NE(found[0][0].tokens, found[2][0].tokens);
  }
}

struct Maps final : Control {
  Maps(double scale, double shift) : scale(scale), shift(shift) {}
  Tensor combine(Step& step) override {
    Tensor mapped = step.logits * scale;
    mapped[3] += shift;
    return mapped;
  }
  double scale, shift;
};

TEST_F(ControlTest, controls_combine_in_the_order_of_the_list) {
  const auto make = [](double scale, double shift) {
    return ControlSpec{.own = [=] { return std::make_unique<Maps>(scale, shift); }};
  };
  const auto first = [&](std::vector<ControlSpec> controls) {
    return run({{.prompt = {text, ""}, .max_tokens = 1, .controls = std::move(controls)}})[0][0].logprobs[0];
  };
  const Tensor x = model::forward(*model(), model::pack({{model::prompt_ids(*model(), text)}}, model()->config.vocab),
                                  {.compute = nn::Compute::f32})
                       .logits[0];
  const auto expected = [](Tensor logits) { return at::log_softmax(logits, 0).max().item<double>(); };
  Tensor after = 2 * x, before = x.clone();
  after[3] += 30;   // scaled, then shifted
  before[3] += 30;  // shifted, then scaled
  EXPECT_NEAR(first({make(2, 0), make(1, 30)}), expected(after), 1e-4);
  EXPECT_NEAR(first({make(1, 30), make(2, 0)}), expected(2 * before), 1e-4);
}

// Reads the twin's last state in prefill and adds it to the main stream at every later step.
struct FromTwin final : Control {
  std::vector<Twin> twins(const Prompt&) override { return {Twin("a person")}; }
  std::vector<model::Tap> twin_taps(size_t twin) override {
    EXPECT_EQ(twin, 0u);
    return {{"blocks.0.hook_resid_post", [this](const Tensor& x, const model::Site& site) {
               if (site.phase == model::Phase::prefill) state = x[x.size(0) - 1].clone();
               return std::optional<Tensor>();
             }}};
  }
  std::vector<model::Tap> taps() override {
    return {{"blocks.1.hook_resid_post", [this](const Tensor& x, const model::Site& site) {
               return site.phase == model::Phase::decode ? std::optional(x + 4 * state) : std::nullopt;
             }}};
  }
  void follow(const Control& first) override { state = dynamic_cast<const FromTwin&>(first).state; }
  Tensor state;
};

TEST_F(ControlTest, further_samples_take_over_what_the_prompt_gave) {
  Request several = request([] { return std::make_unique<FromTwin>(); }, 5);
  several.samples = 2;
  const auto found = run({several, request([] { return std::make_unique<FromTwin>(); }, 5)});
  EXPECT_EQ(found[0][0].tokens, found[1][0].tokens);
  EXPECT_EQ(found[0][1].tokens, found[1][0].tokens);  // greedy: the same answer
  const auto plain = run({{.prompt = {text, ""}, .max_tokens = 5}});
  EXPECT_NE(found[0][0].logprobs[1], plain[0][0].logprobs[1]);
}

}  // namespace
}  // namespace ken::generate::control_test_file
