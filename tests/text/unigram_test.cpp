// The unigram model from GGUF keys: ties, unknown characters, special tokens, long texts, damaged vocabularies. What
// SentencePiece gives is in sentencepiece_model_test.cpp, what Hugging Face gives in tokenizer_json_test.cpp.
#include <gtest/gtest.h>

#include "ken/base/error.h"
#include "tests/text/protobuf.h"

namespace ken::text::unigram_test_file {
namespace {

using namespace ken;
using test::Token;
using Ids = std::vector<int32_t>;
const std::string mark = "\xe2\x96\x81";

io::Metadata vocabulary(const std::vector<Token>& tokens, bool prefix = false) {
  io::Metadata metadata;
  metadata.values["tokenizer.ggml.model"] = std::string("t5");
  metadata.values["tokenizer.ggml.add_space_prefix"] = prefix;
  test::put_tokens(metadata, tokens);
  return metadata;
}

TEST(UnigramTest, TheHighestSumWinsAndOfEqualOnesTheLongerLastPiece) {
  const auto tokenizer = text::tokenizer_from_gguf(
      vocabulary({{"<unk>", 2}, {"a", 1, -1}, {"b", 1, -1}, {"ab", 1, -2}, {"c", 1, -1}, {"abc", 1, -2.5}}));
  EXPECT_EQ(tokenizer->encode("ab"), Ids{3});  // -2 = -1 - 1: found first, from the earlier beginning
  EXPECT_EQ(tokenizer->encode("abc"), Ids{5});
  EXPECT_EQ(tokenizer->encode("ba"), (Ids{2, 1}));
}

TEST(UnigramTest, UnknownCharactersBecomeOneTokenOrBytes) {
  const auto unknown = text::tokenizer_from_gguf(vocabulary({{"<unk>", 2}, {"a", 1, -1}}));
  EXPECT_EQ(unknown->encode("a日本a"), (Ids{1, 0, 1}));
  EXPECT_EQ(unknown->encode_with_offsets("a日本a")[1].end, 7);
  const auto bytes = text::tokenizer_from_gguf(vocabulary(test::with_bytes({{"<unk>", 2}, {"a", 1, -1}})));
  EXPECT_EQ(bytes->encode("aé"), (Ids{1, 2 + 0xc3, 2 + 0xa9}));
  const auto nothing = text::tokenizer_from_gguf(vocabulary({{"a", 1, -1}}));
  EXPECT_EQ(nothing->encode("aéa"), (Ids{0, 0}));
}

TEST(UnigramTest, ControlTokensAreParsedOnRequestAndStartATextAnew) {
  const auto tokenizer = text::tokenizer_from_gguf(
      vocabulary({{"<unk>", 2}, {"</s>", 3}, {mark, 1, -1}, {"a", 1, -1}, {mark + "a", 1, -1.5}}, true));
  EXPECT_EQ(tokenizer->encode("a</s>a", true), (Ids{4, 1, 4}));
  EXPECT_EQ(tokenizer->encode("a</s>a"), (Ids{4, 0, 3}));
  EXPECT_EQ(tokenizer->decode(Ids{4, 1, 4}), " a</s> a");
}

TEST(UnigramTest, RandomTextAndBytesAreCovered) {
  const auto tokenizer = text::tokenizer_from_gguf(
      vocabulary(test::with_bytes({{"<unk>", 2}, {mark, 1, -1}, {mark + mark, 1, -1}, {"a", 1, -2}, {"é", 1, -3}})));
  Rng rng(5);
  for (int i = 0; i < 2000; ++i) {
    const std::string text = i % 2 ? test::random_text(rng) : test::random_bytes(rng);
    test::expect_spans_cover(*tokenizer, text);
    const bool lossless = i % 2 && text.find(mark) == text.npos;
    EXPECT_EQ(lossless ? tokenizer->decode(tokenizer->encode(text)) : text, text);
  }
}

TEST(UnigramTest, ALongTextIsNotQuadratic) {
  const auto tokenizer = text::tokenizer_from_gguf(
      vocabulary({{"<unk>", 2}, {"a", 1, -1}, {"aa", 1, -1.5}, {"aaaa", 1, -2}, {"aaaaaaaa", 1, -2.5}}));
  EXPECT_EQ(tokenizer->encode(std::string(400000, 'a')).size(), 50000);
}

TEST(UnigramTest, DamagedVocabulariesAreErrors) {
  EXPECT_THROW(text::tokenizer_from_gguf(vocabulary({{"a", 1, NAN}})), Error);
  EXPECT_THROW(text::tokenizer_from_gguf(vocabulary({{"<0x4>", 6}})), Error);
  auto metadata = vocabulary({{"a", 1, -1}});
  metadata.values["tokenizer.ggml.precompiled_charsmap"] = std::vector<int64_t>{255, 255, 255, 255, 1, 2, 3, 4};
  EXPECT_THROW(text::tokenizer_from_gguf(metadata), Error);
  // A node that leads outside the array: known only when a text goes there.
  metadata.values["tokenizer.ggml.precompiled_charsmap"] = std::vector<int64_t>{4, 0, 0, 0, 0, 255, 255, 127, 0};
  EXPECT_NO_THROW(text::tokenizer_from_gguf(metadata)->encode("a"));
}

}  // namespace
}  // namespace ken::text::unigram_test_file
