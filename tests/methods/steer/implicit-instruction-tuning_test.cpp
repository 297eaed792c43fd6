// The three rules on numbers worked out by hand, with strings resolved to all tokens that spell them.
#include <gtest/gtest.h>
#include <unistd.h>

#include "ken/base/error.h"
#include "ken/generate/generate.h"
#include "tests/tiny.h"

namespace ken::generate::implicit_instruction_tuning_test_file {
namespace {

class ImplicitInstructionTuningTest : public testing::Test {
 protected:
  void SetUp() override {
    file = fs::temp_directory_path() / fmt::format("ken-rules-{}.json", ::getpid());
    write(R"({"end": 6, "after": 3, "changes": {"born": -2, ":": 4}, "diversity": 1, "exempt": ["?"]})");
  }
  void TearDown() override { fs::remove(file); }
  void write(const std::string& rules) const { write_text(file, rules); }

  // What is added to zero logits before the tokens `chosen` are followed by another.
  Tensor added(const std::string& params, const std::vector<std::string>& chosen, const std::string& question) const {
    const auto control = control_from("implicit-instruction-tuning:rules=" + file.string() + params).make();
    control->begin({*model, nn::Compute::f32});
    Prompt prompt{"Q: " + question + " A:", ""};
    prompt.question = question;
    control->rewrite(prompt);
    std::vector<int32_t> tokens;
    Tensor out;
    for (size_t t = 0; t <= chosen.size(); ++t) {
      Step step{.logits = at::zeros({model->config.vocab}), .index = int64_t(t), .chosen = &tokens};
      out = control->combine(step);
      if (t < chosen.size()) tokens.push_back(id(chosen[t]));
    }
    return out;
  }
  int32_t id(const std::string& word) const { return model->tokenizer->encode(word).at(0); }
  double of(const Tensor& added, const std::string& word) const { return added[id(word)].item<double>(); }
  double ending(const Tensor& added) const { return added[*model->tokenizer->eos].item<double>(); }

  std::shared_ptr<model::Model> model = test::tiny_model();
  fs::path file;
};

TEST_F(ImplicitInstructionTuningTest, adds_the_three_rules) {
  const Tensor first = added("", {}, "where was P born ?"),
               third = added("", {"job", "of", "job"}, "where was P born ?");
  EXPECT_EQ(ending(first), 0);
  EXPECT_EQ(ending(added("", {"job"}, "was")), 2);
  EXPECT_EQ(ending(third), 6);
  EXPECT_EQ(ending(added("", {"job", "of", "job", "of", "job"}, "was")), 6);  // it stays
  EXPECT_EQ(of(first, "born"), -3);                                           // changed, and seen in the question
  EXPECT_EQ(of(first, "where"), -1);
  EXPECT_EQ(of(first, "?"), 0);  // exempt
  EXPECT_EQ(of(first, "job"), 0);
  EXPECT_EQ(of(third, "job"), -1);  // once, however often it was said
}

TEST_F(ImplicitInstructionTuningTest, a_string_means_its_token_with_and_without_a_blank) {
  write(R"({"changes": {"n": 7}, "diversity": 0})");
  const Tensor r = added("", {}, "was");
  int64_t changed = 0;
  for (int32_t t = 0; t < model->tokenizer->vocab_size(); ++t) {
    const std::string text = model->tokenizer->decode({&t, 1});
    EXPECT_EQ(r[t].item<double>(), text == "n" || text == " n" ? 7 : 0) << text;
    changed += text == "n" || text == " n";
  }
  EXPECT_GE(changed, 1);
}

TEST_F(ImplicitInstructionTuningTest, leaves_a_rule_out_and_scales_the_rest) {
  const std::vector<std::string> said{"job"};
  EXPECT_EQ(ending(added(",without=end", said, "born")), 0);
  EXPECT_EQ(of(added(",without=changes", said, "born"), "born"), -1);
  EXPECT_EQ(of(added(",without=diversity", said, "born"), "born"), -2);
  EXPECT_EQ(of(added(",scale=0.5", said, "born"), "born"), -1.5);
  EXPECT_TRUE(at::equal(added(",scale=0", said, "born"), at::zeros({model->config.vocab})));
}

TEST_F(ImplicitInstructionTuningTest, a_row_alone_is_the_row_in_a_batch_and_a_further_sample_sees_the_question) {
  Request one{.prompt = {"where was Ada born ?", ""}, .sampling = {1, 0, 1, 0, 3}, .max_tokens = 6, .samples = 3};
  one.controls = {control_from("implicit-instruction-tuning", {{"rules", file.string()}})};
  Request other = one;
  other.prompt.text = "when was Grace born ?";
  const auto alone = generate(*model, {one}, {.compute = nn::Compute::f32})[0],
             batch = generate(*model, {one, other, other}, {.compute = nn::Compute::f32})[0];
  for (size_t s = 0; s < 3; ++s) {
    EXPECT_EQ(alone[s].tokens, batch[s].tokens);
    for (size_t t = 0; t < alone[s].logprobs.size(); ++t)
      EXPECT_NEAR(alone[s].logprobs[t], batch[s].logprobs[t], 1e-5 * std::abs(alone[s].logprobs[t]));
  }
  EXPECT_EQ(alone[0].entropies[0], alone[1].entropies[0]);
}

TEST_F(ImplicitInstructionTuningTest, refuses_rules_that_it_cannot_follow) {
  for (const char* rules : {R"({"start": 3})", R"({"end": "much"})", R"({"changes": ["a"]})",
                            R"({"changes": {"born": "x"}})", R"({"after": 0})", R"({"exempt": [3]})", R"([])"}) {
    write(rules);
    EXPECT_THROW(added("", {}, "was"), Error) << rules;
  }
  write(R"({"changes": {"no token spells this": 1}})");
  EXPECT_THROW(added("", {}, "was"), UsageError);
  EXPECT_THROW(control_from("implicit-instruction-tuning:without=all"), UsageError);
}

}  // namespace
}  // namespace ken::generate::implicit_instruction_tuning_test_file
