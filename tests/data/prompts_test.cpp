// Prompt patterns.
#include "ken/data/prompts.h"

#include <gtest/gtest.h>

#include "ken/base/error.h"

namespace ken::data::prompts_test_file {
namespace {

TEST(PromptsTest, PlainWithoutMetadata) {
  const PromptStyle style = prompt_style(io::Metadata{});
  EXPECT_EQ(style.name, "plain");
  EXPECT_EQ(ask(style, "why?"), "Q: why?\nA:");
  EXPECT_EQ(ask_with_context(style, "Text.", "", "why?"), "Text.\n\nQ: why?\nA:");
  EXPECT_EQ(ask_with_context(style, "Text.", "Use it.", "why?"), "Text.\n\nUse it. Q: why?\nA:");
}

TEST(PromptsTest, SurvivesMetadata) {
  const PromptStyle style{"mine", "<{question}>", "{context}|{instruction} {question}", {"a", "b"}};
  io::Metadata metadata;
  put_prompt_style(metadata, style);
  const PromptStyle back = prompt_style(metadata);
  EXPECT_EQ(back.name, style.name);
  EXPECT_EQ(back.question, style.question);
  EXPECT_EQ(back.context, style.context);
  EXPECT_EQ(back.stop, style.stop);
}

TEST(PromptsTest, InsertedTextIsNeverAPattern) {
  const PromptStyle style;
  EXPECT_EQ(ask(style, "{context} {question}"), "Q: {context} {question}\nA:");
  EXPECT_EQ(ask_with_context(style, "{question}", "{context}", "q"), "{question}\n\n{context} Q: q\nA:");
}

TEST(PromptsTest, BadPatternsNameTheirKey) {
  const auto message = [](const PromptStyle& style) {
    io::Metadata metadata;
    put_prompt_style(metadata, style);
    try {
      prompt_style(metadata);
    } catch (const Error& error) {
      return std::string(error.what());
    }
    return std::string();
  };
  EXPECT_NE(message({"x", "Q", "{context} {question}", {}}).find("ken.prompt.question"), std::string::npos);
  EXPECT_NE(message({"x", "{question}", "{question}", {}}).find("ken.prompt.context holds no {context}"),
            std::string::npos);
  EXPECT_NE(message({"x", "{question}", "{context} {question}", {""}}).find("ken.prompt.stop"), std::string::npos);
}

}  // namespace
}  // namespace ken::data::prompts_test_file
