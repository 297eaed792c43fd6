// SentencePiece BPE on small vocabularies: scores, byte fallback, unknown, prefix, added tokens.
#include <gtest/gtest.h>

#include <cmath>

#include "ken/base/error.h"
#include "tests/text/vocabularies.h"

namespace ken::text::sentencepiece_bpe_test_file {
namespace {

using namespace ken;
using Ids = std::vector<int32_t>;
const std::string mark = "\xe2\x96\x81";

io::Metadata vocabulary(std::vector<test::Token> tokens) {
  io::Metadata metadata;
  metadata.values["tokenizer.ggml.model"] = std::string("llama");
  test::put_tokens(metadata, tokens);
  return metadata;
}

std::vector<test::Token> with_bytes(std::vector<test::Token> tokens) {
  for (int byte = 0; byte < 256; ++byte) {
    static constexpr char digits[] = "0123456789ABCDEF";
    tokens.push_back({std::string("<0x") + digits[byte >> 4] + digits[byte & 15] + ">", 6});
  }
  return tokens;
}

TEST(SentencepieceBpeTest, HighestScoreThenLeftmostMergesFirst) {
  auto metadata = vocabulary({{"<unk>", 2}, {"a"}, {"b"}, {"c"}, {"ab", 1, -2}, {"bc", 1, -1}, {"aa", 1, -1}});
  metadata.values["tokenizer.ggml.add_space_prefix"] = false;
  const auto tokenizer = text::tokenizer_from_gguf(metadata);
  EXPECT_EQ(tokenizer->encode("abc"), (Ids{1, 5}));
  EXPECT_EQ(tokenizer->encode("aaa"), (Ids{6, 1}));
}

TEST(SentencepieceBpeTest, UnknownCharactersBecomeBytesOrUnknown) {
  auto metadata = vocabulary({{"<unk>", 2}, {mark}, {"a"}});
  const auto unknown = text::tokenizer_from_gguf(metadata);
  EXPECT_EQ(unknown->encode("é"), (Ids{1, 0}));
  const auto bytes = text::tokenizer_from_gguf(vocabulary(with_bytes({{"<unk>", 2}, {mark}, {"a"}})));
  EXPECT_EQ(bytes->encode("é"), (Ids{1, 3 + 0xc3, 3 + 0xa9}));
  EXPECT_EQ(bytes->decode(bytes->encode("é")), " é");
}

TEST(SentencepieceBpeTest, RandomTextAndBytesSurvive) {
  const auto tokenizer =
      text::tokenizer_from_gguf(vocabulary(with_bytes({{"<unk>", 2}, {mark}, {mark + mark, 1, -1}, {"a"}, {"é"}})));
  Rng rng(4);
  for (int i = 0; i < 2000; ++i) {
    const std::string text = i % 2 ? test::random_text(rng) : test::random_bytes(rng);
    if (text.find(mark) != std::string::npos) continue;
    EXPECT_EQ(tokenizer->decode(tokenizer->encode(text)), text.empty() ? "" : " " + text);
    test::expect_spans_cover(*tokenizer, text);
  }
}

TEST(SentencepieceBpeTest, PrefixIsAnEmptySpanOrPartOfTheFirst) {
  const auto apart = text::tokenizer_from_gguf(vocabulary({{"<unk>", 2}, {mark}, {"a"}}))->encode_with_offsets("a");
  ASSERT_EQ(apart.size(), 2);
  EXPECT_EQ(apart[0].end, 0);
  EXPECT_EQ(apart[1].end, 1);
  const auto joined =
      text::tokenizer_from_gguf(vocabulary({{"<unk>", 2}, {mark}, {"a"}, {mark + "a"}}))->encode_with_offsets("a");
  ASSERT_EQ(joined.size(), 1);
  EXPECT_EQ(joined[0].end, 1);
}

TEST(SentencepieceBpeTest, AddedTokensAreMatchedBeforePieces) {
  const auto tokenizer = text::tokenizer_from_gguf(vocabulary({{"<unk>", 2}, {mark}, {"a"}, {"<s>", 3}, {"[x]", 4}}));
  EXPECT_EQ(tokenizer->encode("a[x]a"), (Ids{1, 2, 4, 2}));
  EXPECT_EQ(tokenizer->encode("[x]a"), (Ids{1, 4, 2}));
  EXPECT_EQ(tokenizer->encode("<s>a", true), (Ids{3, 1, 2}));
  EXPECT_EQ(tokenizer->encode("<s>"), (Ids{1, 0}));  // unknown characters in a row are one token, as in SentencePiece
}

TEST(SentencepieceBpeTest, Phi3sMarkupTakesTheSpaceBehindIt) {
  auto metadata = vocabulary({{"<unk>", 2}, {mark}, {"a"}, {"<s>", 3}, {"<|end|>", 3}, {mark + "a"}});
  EXPECT_EQ(text::tokenizer_from_gguf(metadata)->encode("<|end|>\n a", true), (Ids{4, 1, 0, 5}));
  metadata.values["general.name"] = std::string("Phi-3 mini");
  EXPECT_EQ(text::tokenizer_from_gguf(metadata)->encode("<|end|>\n a<s> a", true), (Ids{4, 5, 3, 1, 5}));
}

TEST(SentencepieceBpeTest, TextThatLooksLikeAByteIsText) {
  const auto tokenizer = text::tokenizer_from_gguf(vocabulary(with_bytes({{"<unk>", 2}, {mark}})));
  EXPECT_EQ(tokenizer->encode("<0x41>").size(), 7);
}

TEST(SentencepieceBpeTest, ALongTextIsNotQuadratic) {
  const auto tokenizer = text::tokenizer_from_gguf(
      vocabulary({{"<unk>", 2}, {mark}, {"a"}, {"aa", 1, -1}, {"aaaa", 1, -2}, {"aaaaaaaa", 1, -3}}));
  EXPECT_EQ(tokenizer->encode(std::string(400000, 'a')).size(), 50001);
}

TEST(SentencepieceBpeTest, PiecesOverSpacesAreFound) {
  const std::string both = "a" + mark + "b";
  const auto tokenizer =
      text::tokenizer_from_gguf(vocabulary({{"<unk>", 2}, {mark}, {"a"}, {"b"}, {"a" + mark, 1, -1}, {both, 1, -2}}));
  EXPECT_EQ(tokenizer->encode("a b"), (Ids{1, 5}));
  const auto apart = text::tokenizer_from_gguf(vocabulary({{"<unk>", 2}, {mark}, {"a"}, {mark + mark, 1, -1}}));
  EXPECT_EQ(apart->encode("a   a" + mark + " a"), (Ids{1, 2, 3, 1, 2, 3, 2}));
}

TEST(SentencepieceBpeTest, DamagedVocabulariesAreErrors) {
  EXPECT_THROW(text::tokenizer_from_gguf(vocabulary({{"a", 1, NAN}})), Error);
  EXPECT_THROW(text::tokenizer_from_gguf(vocabulary({{"<0x4>", 6}})), Error);
  EXPECT_THROW(text::tokenizer_from_gguf(vocabulary({{"a", 9}})), Error);
  auto metadata = vocabulary({{"a"}, {"b"}});
  metadata.values["tokenizer.ggml.scores"] = std::vector<double>{0};
  EXPECT_THROW(text::tokenizer_from_gguf(metadata), Error);
}

}  // namespace
}  // namespace ken::text::sentencepiece_bpe_test_file
