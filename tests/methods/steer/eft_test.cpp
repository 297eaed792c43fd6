// Emulated fine-tuning: the difference of two small models on top of a large one, on numbers and on tiny models.
#include <gtest/gtest.h>
#include <unistd.h>

#include "ken/base/error.h"
#include "ken/generate/generate.h"
#include "tests/tiny.h"

namespace ken::generate::eft_test_file {
namespace {

TEST(EftTest, adds_the_small_ones_difference_and_masks_what_the_large_one_finds_hopeless) {
  const Tensor large = at::log(at::tensor({0.7f, 0.2f, 0.1f})), tuned = at::log(at::tensor({0.1f, 0.1f, 0.8f})),
               base = at::log(at::tensor({0.4f, 0.2f, 0.4f}));
  const auto combined = [&](const Json& params) {
    Step step{.logits = large, .twins = {tuned, base}};
    return at::softmax(control_from("eft", params).make()->combine(step), 0);
  };
  // 0.7 x 1/4, 0.2 x 1/2, 0.1 x 2, over their sum of 0.475
  EXPECT_TRUE(at::allclose(combined({{"beta", 1.0}}), at::tensor({0.175f, 0.1f, 0.2f}) / 0.475, 1e-5));
  EXPECT_TRUE(at::allclose(combined({{"beta", 1.0}, {"mask", 0.2}}), at::tensor({0.175f, 0.1f, 0.0f}) / 0.275, 1e-5));
  Step step{.logits = large, .twins = {tuned, base}};
  EXPECT_TRUE(at::equal(control_from("eft:beta=0").make()->combine(step), large));
  EXPECT_EQ(step.notes.at("eft changed"), 0);
}

TEST(EftTest, words_in_plain_are_read_by_the_small_pair_only) {
  const auto control = control_from("eft:plain=be brief;<user>").make();
  Prompt prompt{"be brief <user> who ? <user>", ""};
  control->rewrite(prompt);
  EXPECT_EQ(prompt.text, "who ?");
  for (const auto& twin : control->twins(prompt)) EXPECT_EQ(twin.text, "be brief <user> who ? <user>");
  // Without them, the pair reads what other controls made of the prompt.
  const auto whole = control_from("eft").make();
  whole->rewrite(prompt);
  EXPECT_EQ(whole->twins({"another", ""})[0].text, "another");
}

class EftFilesTest : public testing::Test {
 protected:
  void SetUp() override {
    folder = fs::temp_directory_path() / fmt::format("ken-eft-test-{}", ::getpid());
    fs::create_directories(folder);
    model::save(*test::tiny_model(2), folder / "base.gguf", io::weight_type("f32"));
    model::save(*test::tiny_model(3), folder / "tuned.gguf", io::weight_type("f32"));
  }
  void TearDown() override { fs::remove_all(folder); }

  Generated answer(const std::vector<std::string>& pair, double beta, size_t rows = 1, int64_t draft = 0,
                   double temperature = 0) const {
    std::vector<Request> requests;
    Json params{{"beta", beta}, {"draft", draft}};
    if (!pair.empty()) params["base"] = (folder / pair[0]).string(), params["tuned"] = (folder / pair[1]).string();
    const auto spec = control_from("eft", params);
    for (size_t i = 0; i < rows; ++i) {
      Request request{.prompt = {i ? "when was Ada born ?" : "where was Ada born ?", ""}, .max_tokens = 4};
      request.controls = {spec};
      request.sampling = {.temperature = temperature, .seed = 3};
      requests.push_back(request);
    }
    return generate(*large, requests, {.compute = nn::Compute::f32})[0][0];
  }
  std::shared_ptr<model::Model> large = test::tiny_model(1);
  fs::path folder;
};

TEST_F(EftFilesTest, reads_three_models_and_gives_the_row_the_same_answer_alone_and_in_a_batch) {
  const Generated alone = answer({"base.gguf", "tuned.gguf"}, 1), batch = answer({"base.gguf", "tuned.gguf"}, 1, 5);
  EXPECT_EQ(alone.tokens, batch.tokens);
  for (size_t t = 0; t < alone.logprobs.size(); ++t)
    EXPECT_NEAR(alone.logprobs[t], batch.logprobs[t], 1e-5 * std::abs(alone.logprobs[t]));
  // The first distribution is that of the three models' own passes.
  const auto next = [](const model::Model& m) {
    const auto ids = model::prompt_ids(m, "where was Ada born ?");
    return model::forward(m, model::pack({{ids}}, m.config.vocab), {}).logits[0];
  };
  const auto base = model::load(folder / "base.gguf"), tuned = model::load(folder / "tuned.gguf");
  const Tensor expected = at::log_softmax(next(*large) + next(*tuned) - next(*base), 0);
  EXPECT_NEAR(alone.logprobs[0], expected.max().item<double>(), 1e-4);
}

TEST_F(EftFilesTest, changes_nothing_at_beta_0_or_where_the_pair_is_one_model) {
  const Generated plain = answer({}, 0);
  EXPECT_EQ(answer({"base.gguf", "tuned.gguf"}, 0).logprobs, plain.logprobs);
  EXPECT_EQ(answer({"base.gguf", "base.gguf"}, 3).logprobs, plain.logprobs);
  EXPECT_EQ(answer({}, 3).logprobs, plain.logprobs);
  EXPECT_NE(answer({"base.gguf", "tuned.gguf"}, 3).logprobs, plain.logprobs);
}

TEST_F(EftFilesTest, the_speculative_form_gives_the_same_answer) {
  const std::vector<std::string> pair{"base.gguf", "tuned.gguf"};
  for (const double temperature : {0.0, 1.0}) {
    const Generated plain = answer(pair, 1, 1, 0, temperature), drafted = answer(pair, 1, 3, 2, temperature);
    EXPECT_EQ(drafted.tokens, plain.tokens);
    for (size_t t = 0; t < plain.logprobs.size(); ++t) EXPECT_NEAR(drafted.logprobs[t], plain.logprobs[t], 1e-4);
    EXPECT_FALSE(plain.notes.contains("eft ahead"));
    EXPECT_EQ(drafted.notes.at("eft ahead").at(0), 0);
  }
  // Three models that are one agree always: of four tokens the third and fourth were read with the second.
  EXPECT_EQ(answer({}, 1, 1, 2).notes.at("eft ahead"), (std::vector<double>{0, 0, 1, 1}));
}

TEST_F(EftFilesTest, refuses_half_a_pair_and_another_vocabulary) {
  EXPECT_THROW(control_from("eft", {{"base", (folder / "base.gguf").string()}}), UsageError);
  EXPECT_THROW(control_from("eft:base=/nowhere,tuned=/nowhere"), UsageError);
  world::WorldParams other = test::tiny_world();
  other.people = 30;
  const auto foreign = train::new_organism(world::World(other), {.layers = 1, .d_model = 32, .heads = 4}, 1, "foreign");
  model::save(*foreign, folder / "foreign.gguf", io::weight_type("f32"));
  EXPECT_THROW(answer({"base.gguf", "foreign.gguf"}, 1), Error);
}

}  // namespace
}  // namespace ken::generate::eft_test_file
