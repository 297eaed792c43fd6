// How the known pre-tokenisers cut text.
#include "ken/text/pretokenizers.h"

#include <gtest/gtest.h>

#include "ken/base/error.h"

namespace ken::text::pretokenizers_test_file {
namespace {

using Words = std::vector<std::string>;

Words cut(const std::string& name, const std::string& text) {
  Words words;
  ken::text::PreTokenizer(ken::text::find_pre_tokenizer(name).patterns)
      .split(ken::text::MappedText(text, 0),
             [&](const ken::text::MappedText&, std::string_view word) { words.emplace_back(word); });
  return words;
}

TEST(PretokenizersTest, Gpt2) {
  EXPECT_EQ(cut("gpt-2", "I've  2024\n\n x!"), (Words{"I", "'ve", " ", " 2024", "\n\n", " x", "!"}));
}

TEST(PretokenizersTest, LlamaBpeTakesThreeDigitsAndPunctuationWithNewlines) {
  EXPECT_EQ(cut("llama-bpe", "I'VE 12345.\n\nx"), (Words{"I", "'VE", " ", "123", "45", ".\n\n", "x"}));
}

TEST(PretokenizersTest, Qwen2TakesOneDigit) { EXPECT_EQ(cut("qwen2", " a12"), (Words{" a", "1", "2"})); }

TEST(PretokenizersTest, SmollmCutsDigitsBeforeWords) {
  EXPECT_EQ(cut("smollm", "ab  12c"), (Words{"ab", "  ", "1", "2", "c"}));
}

TEST(PretokenizersTest, Gpt4oCutsAtCapitals) {
  EXPECT_EQ(cut("gpt-4o", "camelCase it's"), (Words{"camel", "Case", " it's"}));
}

TEST(PretokenizersTest, TekkenCutsAtCapitalsWithoutContractions) {
  EXPECT_EQ(cut("tekken", "camelCase it's 12"), (Words{"camel", "Case", " it", "'s", " ", "1", "2"}));
}

TEST(PretokenizersTest, DeepseekCutsHan) {
  EXPECT_EQ(cut("deepseek-v3", "ab漢字cd 1234"), (Words{"ab", "漢字", "cd", " ", "123", "4"}));
}

TEST(PretokenizersTest, SpacesAreUnicodesWhiteSpace) {
  EXPECT_EQ(cut("gpt-2", "a\u3000\u00a0b"), (Words{"a", "\u3000", "\u00a0", "b"}));
  EXPECT_EQ(cut("gpt-2", "a\u180e"), (Words{"a", "\u180e"}));  // a format character since Unicode 6.3
  EXPECT_EQ(cut("gpt-2", "!\u180e"), (Words{"!\u180e"}));
}

TEST(PretokenizersTest, PiecesCoverTheText) {
  const std::string text = "  Été 12345 ''s\t\r\n 漢字かな…!?  x\u2028 ";
  for (const std::string name : {"gpt-2", "llama-bpe", "qwen2", "smollm", "gpt-4o", "tekken", "deepseek-v3"}) {
    std::string joined;
    for (const std::string& word : cut(name, text)) joined += word;
    EXPECT_EQ(joined, text) << name;
  }
}

TEST(PretokenizersTest, AnUnknownNameListsTheKnown) {
  try {
    ken::text::find_pre_tokenizer("nonsense");
    FAIL();
  } catch (const ken::Error& error) {
    EXPECT_NE(std::string(error.what()).find("llama-bpe"), std::string::npos) << error.what();
  }
}

}  // namespace
}  // namespace ken::text::pretokenizers_test_file
