#include <gtest/gtest.h>

#include "ken/generate/generate.h"
#include "tests/tiny.h"

namespace ken::generate::hso_test_file {
namespace {

std::vector<Generated> answers(const model::Model& model, const std::vector<std::string>& controls,
                               int64_t samples = 1) {
  Request request{
      .prompt = {"where was the person of the passage born ? in which city ?"}, .max_tokens = 5, .samples = samples};
  request.sampling.temperature = samples > 1 ? 1 : 0;
  for (const auto& control : controls) request.controls.push_back(control_from(control));
  GenerateOptions options;
  options.compute = nn::Compute::f32;
  return generate(model, {request}, options)[0];
}

TEST(HsoTest, the_prompt_becomes_likelier_and_says_by_how_much) {
  const auto model = test::tiny_model();
  const auto moved = answers(*model, {"hso:window=4,rate=0.03,steps=4"})[0], plain = answers(*model, {})[0];
  EXPECT_LT(moved.notes.at("nll-after")[0], moved.notes.at("nll-before")[0]);
  EXPECT_NE(moved.logprobs, plain.logprobs);
  EXPECT_EQ(answers(*model, {"hso:rate=0,window=4"})[0].logprobs, plain.logprobs);
}

TEST(HsoTest, samples_share_what_was_moved) {
  const auto model = test::tiny_model();
  const auto moved = answers(*model, {"hso:window=4,rate=0.03"}, 3);
  for (const auto& one : moved) EXPECT_EQ(one.notes.at("nll-after")[0], moved[0].notes.at("nll-after")[0]);
}

}  // namespace
}  // namespace ken::generate::hso_test_file
