// Each normaliser, and where its bytes come from.
#include "ken/text/normalizer.h"

#include <gtest/gtest.h>

#include "tests/text/protobuf.h"

namespace ken::text::normalizer_test_file {
namespace {

using namespace ken;
using text::MappedText;

MappedText apply(const Json& step, const std::string& text) {
  MappedText mapped(text, 0);
  text::Normalizer(step).apply(mapped);
  return mapped;
}
std::string normalized(const Json& step, const std::string& text) { return apply(step, text).text; }

TEST(NormalizerTest, UnicodeForms) {
  EXPECT_EQ(normalized({{"type", "NFC"}}, "e\u0301a\u0323\u0301"), "éạ\u0301");
  EXPECT_EQ(normalized({{"type", "NFD"}}, "é가"), "e\u0301\u1100\u1161");
  EXPECT_EQ(normalized({{"type", "NFKC"}}, "ﬁ\u3000①"), "fi 1");
  EXPECT_EQ(normalized({{"type", "NFKD"}}, "ﬁé"), "fie\u0301");
}

TEST(NormalizerTest, Characters) {
  EXPECT_EQ(normalized({{"type", "Lowercase"}}, "ÀBΣİẞ"), "àbσi\u0307ß");
  EXPECT_EQ(normalized({{"type", "StripAccents"}}, "e\u0301é\u0903"), "eé");
  EXPECT_EQ(normalized({{"type", "Nmt"}}, "a\x01\tb\u200bc\u2581"), "a b c ");
  EXPECT_EQ(normalized({{"type", "Strip"}, {"strip_left", true}, {"strip_right", true}}, " \u3000a b\n"), "a b");
  EXPECT_EQ(normalized({{"type", "Strip"}, {"strip_left", false}, {"strip_right", true}}, " a "), " a");
  EXPECT_EQ(normalized({{"type", "Prepend"}, {"prepend", "▁"}}, "a"), "▁a");
  EXPECT_EQ(normalized({{"type", "Prepend"}, {"prepend", "▁"}}, ""), "");
}

TEST(NormalizerTest, Replace) {
  EXPECT_EQ(normalized({{"type", "Replace"}, {"pattern", {{"String", "."}}}, {"content", "!"}}, "a.b."), "a!b!");
  EXPECT_EQ(normalized({{"type", "Replace"}, {"pattern", {{"Regex", " {2,}"}}}, {"content", "▁"}}, "a  b c"), "a▁b c");
  EXPECT_EQ(normalized({{"type", "Replace"}, {"pattern", {{"Regex", "x*"}}}, {"content", "-"}}, "axé"), "-a-é-");
}

TEST(NormalizerTest, Bert) {
  const Json uncased{{"type", "BertNormalizer"}}, cased{{"type", "BertNormalizer"}, {"lowercase", false}};
  EXPECT_EQ(normalized(uncased, "A\u00ad\tÉ\u200b日x\ufffd"), "a e 日 x");
  EXPECT_EQ(normalized(cased, "AÉ日"), "AÉ 日 ");
}

std::string base64(const std::string& bytes) {
  static constexpr char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  for (size_t i = 0; i < bytes.size(); i += 3) {
    uint32_t bits = 0;
    for (size_t j = 0; j < 3; ++j) bits = bits << 8 | (i + j < bytes.size() ? uint8_t(bytes[i + j]) : 0);
    for (int j = 3; j >= 0; --j) text += digits[bits >> 6 * j & 63];
  }
  return text;
}

TEST(NormalizerTest, Precompiled) {
  const Json step{{"type", "Precompiled"}, {"precompiled_charsmap", base64(test::small_rules())}};
  EXPECT_EQ(normalized(step, "aﬁ\u3000b\t"), "afi b ");
  EXPECT_EQ(normalized(step, "A\u030a"), "Å");
  // The shortest rule that a grapheme begins with replaces all of it: what Hugging Face does, and SentencePiece not.
  EXPECT_EQ(normalized(step, "Ａ\u030a"), "A");
  EXPECT_EQ(normalized(step, "\t\u0301"), " \u0301");
}

TEST(NormalizerTest, OriginsFollowTheBytes) {
  const MappedText text = apply({{"type", "Sequence"},
                                 {"normalizers",
                                  {{{"type", "NFC"}},
                                   {{"type", "Replace"}, {"pattern", {{"String", " "}}}, {"content", "▁"}},
                                   {{"type", "Prepend"}, {"prepend", "▁"}}}}},
                                "ae\u0301 b");
  EXPECT_EQ(text.text, "▁aé▁b");
  EXPECT_EQ(text.origins, (std::vector<size_t>{0, 0, 0, 0, 1, 1, 4, 4, 4, 5, 6}));
}

TEST(NormalizerTest, WhatGrowsWithoutEndIsRefused) {
  Json steps = Json::array();
  for (int i = 0; i < 40; ++i)
    steps.push_back({{"type", "Replace"}, {"pattern", {{"String", "a"}}}, {"content", "aa"}});
  EXPECT_THROW(normalized({{"type", "Sequence"}, {"normalizers", steps}}, "a"), Error);
  EXPECT_THROW(normalized({{"type", "Unheard"}}, "a"), Error);
  EXPECT_THROW(normalized({{"type", "Replace"}, {"pattern", {{"Regex", "("}}}, {"content", ""}}, "a"), Error);
  EXPECT_THROW(normalized({{"type", "Precompiled"}, {"precompiled_charsmap", "?"}}, "a"), Error);
}

}  // namespace
}  // namespace ken::text::normalizer_test_file
