// Where an answer comes from: the rule on texts, and the probabilities of both answers after both prompts.
#include "ken/evidence/source.h"

#include <gtest/gtest.h>

#include "tests/tiny.h"

namespace ken::evidence::source_test_file {
namespace {

TEST(SourceTest, the_rule_on_texts) {
  const std::string passage = "Ada was born in New York.";
  EXPECT_EQ(source_of("New York", "London", passage), "context");
  EXPECT_EQ(source_of("London", "london.", passage), "memory");
  EXPECT_EQ(source_of("New York", "New York", passage), "both");
  EXPECT_EQ(source_of("Paris", "London", passage), "neither");
  EXPECT_EQ(source_of("York City", "London", passage), "neither");  // whole words, in order
  EXPECT_EQ(source_of("", "", passage), "neither");
}

TEST(SourceTest, probabilities_are_those_of_the_same_tokens_after_either_prompt) {
  const auto model = test::tiny_model();
  const auto style = world::prompt_style();
  const std::string passage = "the birthplace is unknown .";
  generate::Request request = request_of(style, {data::ask_with_context(style, passage, "", "where was he born ?"),
                                                 data::ask(style, "where was he born ?")});
  request.stop.clear();
  request.max_tokens = 3;
  generate::Request closed = request;
  closed.prompt = {request.prompt.without_context, ""};
  const auto answers = greedy_answers(*model, {request, closed}, nn::Compute::f32);
  const Source source = trace(*model, request, answers[0], answers[1], passage, nn::Compute::f32);
  EXPECT_NEAR(source.p_with, std::exp(answers[0].logprob()), 1e-5);
  EXPECT_NEAR(source.memory_without, std::exp(answers[1].logprob()), 1e-5);
  EXPECT_EQ(source.without.text, answers[1].text);
  // The greedy answer is likelier after its own prompt than the other answer's tokens could make it certain.
  for (const double p : {source.p_with, source.p_without, source.memory_with, source.memory_without}) {
    EXPECT_GT(p, 0);
    EXPECT_LE(p, 1);
  }
}

TEST(SourceTest, an_answer_without_a_token_has_no_probabilities) {
  const auto model = test::tiny_model();
  const auto style = world::prompt_style();
  const generate::Request request = request_of(style, {"some words", "words"});
  const Source source = trace(*model, request, {}, {}, "words", nn::Compute::f32);
  EXPECT_EQ(source.name, "neither");
  EXPECT_TRUE(std::isnan(source.p_with));
}

}  // namespace
}  // namespace ken::evidence::source_test_file
