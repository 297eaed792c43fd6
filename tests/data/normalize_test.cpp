// Comparing answers.
#include <gtest/gtest.h>

#include "ken/data/facts.h"

namespace ken::data::normalize_test_file {
namespace {

TEST(NormalizeTest, FoldsCasePunctuationArticlesAndBlanks) {
  EXPECT_EQ(normalize_answer("  The  U.S. Navy's $5 \t(an) apple!"), "us navys 5 apple");
  EXPECT_EQ(normalize_answer("theatre another"), "theatre another");
  EXPECT_EQ(normalize_answer(""), "");
}

TEST(NormalizeTest, KnowsUnicode) {
  EXPECT_EQ(normalize_answer("ÉCOLE"), normalize_answer("e\u0301cole"));
  EXPECT_EQ(normalize_answer("ﬁne"), "fine");       // ligature
  EXPECT_EQ(normalize_answer("１９３１"), "1931");  // full width
  EXPECT_EQ(normalize_answer("«Straße»\u00a0—\u3000x"), "straße x");
  EXPECT_NE(normalize_answer("ĝ"), normalize_answer("g"));
  EXPECT_NO_THROW(normalize_answer("\xff\xfe broken \xc3"));
}

// A text of ASCII alone is read without ICU: the same words as beside one that is not.
TEST(NormalizeTest, AsciiIsReadAsAllElse) {
  for (int c = 0; c < 128; ++c) {
    const std::string text = std::string("Ab") + char(c) + "cD";
    EXPECT_EQ(normalize_answer(text) + " ß", normalize_answer(text + " ß")) << c;
  }
}

TEST(NormalizeTest, WhatWouldVanishKeepsItsArticles) {
  EXPECT_EQ(normalize_answer("The The"), "the the");
  EXPECT_TRUE(same_answer("A", {"a"}));
  EXPECT_FALSE(same_answer("", {"the"}));
}

TEST(NormalizeTest, SameAnswerTakesAnyAccepted) {
  EXPECT_TRUE(same_answer("the Red House.", {"blue", "red house"}));
  EXPECT_FALSE(same_answer("red houses", {"red house"}));
  EXPECT_FALSE(same_answer("red house", {}));
  EXPECT_FALSE(same_answer("", {"!!!"}));
  EXPECT_TRUE(same_answer("!!!", {"!!!"}));
}

TEST(NormalizeTest, ContainsAnswerKeepsToWords) {
  EXPECT_TRUE(contains_answer("It is Red, I think.", {"red"}));
  EXPECT_TRUE(contains_answer("born in New York", {"the New York"}));
  EXPECT_FALSE(contains_answer("It is reddish", {"red"}));
  EXPECT_FALSE(contains_answer("anything", {"", "!!!"}));
}

}  // namespace
}  // namespace ken::data::normalize_test_file
