// Verifier decoding: divergences worked out by hand, the choice that they make, and prompts that it leaves alone.
#include <gtest/gtest.h>
#include <unistd.h>

#include "ken/base/error.h"
#include "ken/generate/generate.h"
#include "tests/tiny.h"

namespace ken::generate::ambedkar_test_file {
namespace {

Tensor logs(std::initializer_list<float> p) { return at::log(at::tensor(std::vector<float>(p))); }

// The logits that a step leaves, of a proposer and a verifier's streams.
Tensor combined(const std::string& params, const Tensor& proposer, const std::vector<Tensor>& streams,
                const std::vector<Tensor>& tried = {}) {
  const auto control = control_from("ambedkar:" + params).make();
  EXPECT_EQ(control->twins({"a man", ""}).size(), streams.size());
  Step step{.logits = proposer, .twins = streams};
  EXPECT_EQ(control->trials(step).size(), tried.size());
  step.tried = tried;
  return control->combine(step);
}

TEST(AmbedkarTest, token_divergence_takes_off_what_depends_on_the_identity) {
  const Tensor p = logs({0.6f, 0.3f, 0.1f});
  // Token 0: v = 0.6, v' = 0.2, m = 0.4: (0.6 ln 1.5 + 0.2 ln 0.5) / 2 = 0.052325. Token 1: 0.3 and 0.5.
  const double d0 = (0.6 * std::log(1.5) + 0.2 * std::log(0.5)) / 2;
  const double d1 = (0.3 * std::log(0.75) + 0.5 * std::log(1.25)) / 2;
  const Tensor out = combined("swaps=man>woman,alpha=2,k=2", p, {p, logs({0.2f, 0.5f, 0.3f})});
  EXPECT_NEAR(out[0].item<double>(), std::log(0.6) - 2 * d0, 1e-6);
  EXPECT_NEAR(out[1].item<double>(), std::log(0.3) - 2 * d1, 1e-6);
  EXPECT_EQ(out[2].item<double>(), -INFINITY);  // no candidate
  EXPECT_EQ(out.argmax().item<int64_t>(), 0);
  EXPECT_EQ(combined("swaps=man>woman,alpha=30,k=2", p, {p, logs({0.2f, 0.5f, 0.3f})}).argmax().item<int64_t>(), 1);
}

TEST(AmbedkarTest, the_floor_keeps_candidates_out_that_the_proposer_finds_unlikely) {
  const Tensor p = logs({0.6f, 0.3f, 0.1f});
  const Tensor out = combined("swaps=man>woman,floor=0.4", p, {p, p});
  EXPECT_TRUE(at::equal(out.slice(0, 0, 2), p.slice(0, 0, 2)));  // equal streams: no divergence
  EXPECT_EQ(out[2].item<double>(), -INFINITY);
}

TEST(AmbedkarTest, divergence_after_a_candidate_is_read_behind_it_and_meant_over_counterparts) {
  const Tensor p = logs({0.6f, 0.4f}), same = logs({0.5f, 0.5f}), far = logs({1.0f, 0.0f}), away = logs({0.0f, 1.0f});
  // Streams x, x', x'', two candidates each: behind token 0 all agree, behind token 1 x'' is wholly another.
  const Tensor out =
      combined("swaps=man>woman;man>child,divergence=after,alpha=1", p, {p, p, p}, {same, far, same, far, same, away});
  EXPECT_NEAR(out[0].item<double>(), std::log(0.6), 1e-6);
  EXPECT_NEAR(out[1].item<double>(), std::log(0.4) - std::log(2.0) / 2, 1e-6);
}

TEST(AmbedkarTest, exchanges_identity_words_in_both_directions_behind_the_principles) {
  const auto control = control_from("ambedkar:swaps=man>woman;he>she,principle=be fair .").make();
  const auto twins = control->twins({"he told the woman", ""});
  ASSERT_EQ(twins.size(), 2u);
  EXPECT_EQ(twins[0].text, "be fair . he told the woman");
  EXPECT_EQ(twins[1].text, "be fair . she told the man");
  EXPECT_TRUE(control->twins({"a plain text", ""}).empty());
}

class AmbedkarModelTest : public testing::Test {
 protected:
  std::vector<Generated> answers(const std::string& control, const std::vector<std::string>& texts) const {
    std::vector<Request> requests;
    for (const auto& text : texts) {
      Request request{.prompt = {text, ""}, .max_tokens = 4};
      if (!control.empty()) request.controls = {control_from(control)};
      requests.push_back(request);
    }
    std::vector<Generated> result;
    for (auto& one : generate(*model, requests, {.compute = nn::Compute::f32})) result.push_back(one[0]);
    return result;
  }
  std::shared_ptr<model::Model> model = test::tiny_model();
};

TEST_F(AmbedkarModelTest, a_row_alone_is_the_row_in_a_batch_and_prompts_without_identity_are_left_alone) {
  const std::string text = "Ada was born in the city .", other = "what does she do ?";
  for (const std::string kind : {"token", "after"}) {
    const std::string control = "ambedkar:swaps=Ada>Grace,alpha=50,divergence=" + kind;
    const auto alone = answers(control, {text}), batch = answers(control, {text, other, text}),
               plain = answers("", {text, other});
    EXPECT_EQ(alone[0].tokens, batch[0].tokens);
    for (size_t t = 0; t < alone[0].logprobs.size(); ++t)
      EXPECT_NEAR(alone[0].logprobs[t], batch[0].logprobs[t], 1e-5 * std::abs(alone[0].logprobs[t]));
    EXPECT_NE(alone[0].logprobs, plain[0].logprobs);
    EXPECT_EQ(batch[1].tokens, plain[1].tokens);
    EXPECT_EQ(answers("ambedkar:swaps=Ada>Grace,alpha=0,divergence=" + kind, {text})[0].logprobs, plain[0].logprobs);
  }
}

TEST_F(AmbedkarModelTest, a_second_model_can_verify) {
  const fs::path file = fs::temp_directory_path() / fmt::format("ken-ambedkar-{}.gguf", ::getpid());
  model::save(*test::tiny_model(2), file, io::weight_type("f32"));
  const std::string control = "ambedkar:swaps=Ada>Grace,alpha=50", text = "Ada was born in the city .";
  EXPECT_NE(answers(control + ",verifier=" + file.string(), {text})[0].logprobs, answers(control, {text})[0].logprobs);
  fs::remove(file);
}

TEST_F(AmbedkarModelTest, refuses_swaps_and_verifiers_that_it_cannot_use) {
  EXPECT_THROW(control_from("ambedkar:swaps=a>"), UsageError);
  EXPECT_THROW(control_from("ambedkar:swaps=nothing"), UsageError);
  EXPECT_THROW(control_from("ambedkar:swaps=a>b,verifier=/nowhere"), UsageError);
  EXPECT_THROW(control_from("ambedkar:divergence=later"), UsageError);
}

}  // namespace
}  // namespace ken::generate::ambedkar_test_file
