// Byte-level BPE on small vocabularies: merges, added tokens, prefix, bad bytes, damaged files.
#include <gtest/gtest.h>

#include "ken/base/error.h"
#include "tests/text/vocabularies.h"

namespace ken::text::byte_bpe_test_file {
namespace {

using namespace ken;
using Ids = std::vector<int32_t>;

std::vector<std::string> split(const text::Tokenizer& tokenizer, const std::string& text, bool parse_special = false) {
  std::vector<std::string> parts;
  for (const int32_t id : tokenizer.encode(text, parse_special)) parts.push_back(tokenizer.decode(Ids{id}));
  return parts;
}
using Parts = std::vector<std::string>;

TEST(ByteBpeTest, RandomTextAndBytesSurvive) {
  const auto tokenizer = text::tokenizer_from_gguf(test::trained({{"the", 9}, {" the", 8}, {" Kalo", 7}, {"été", 1}}));
  Rng rng(1);
  for (int i = 0; i < 2000; ++i) {
    const std::string text = i % 2 ? test::random_text(rng) : test::random_bytes(rng);
    EXPECT_EQ(tokenizer->decode(tokenizer->encode(text)), text);
    EXPECT_EQ(tokenizer->decode(tokenizer->encode(text, true)), text);
  }
}

TEST(ByteBpeTest, ControlTokensAreParsedOnlyOnRequest) {
  const auto tokenizer = text::tokenizer_from_gguf(test::trained({{"a", 1}}));
  EXPECT_EQ(tokenizer->encode("<bos>a").size(), 6);
  EXPECT_EQ(split(*tokenizer, "<bos>a", true), (Parts{"<bos>", "a"}));
  EXPECT_EQ(tokenizer->encode("<bos>", true), Ids{*tokenizer->bos});
  EXPECT_TRUE(tokenizer->add_bos);
}

TEST(ByteBpeTest, UserDefinedTokensAreMatchedFirstAndLongest) {
  auto metadata = test::trained({{"a", 1}});
  test::add_token(metadata, "  ", 4);
  test::add_token(metadata, "    ", 4);
  const auto tokenizer = text::tokenizer_from_gguf(metadata);
  EXPECT_EQ(split(*tokenizer, "a       a"), (Parts{"a", "    ", "  ", " ", "a"}));
}

TEST(ByteBpeTest, SpacePrefixIsAddedUnlessTextHasOne) {
  const auto tokenizer = text::tokenizer_from_gguf(test::trained({{" Kalo", 3}}, true));
  EXPECT_EQ(split(*tokenizer, "Kalo"), Parts{" Kalo"});
  EXPECT_EQ(split(*tokenizer, " Kalo"), Parts{" Kalo"});
  EXPECT_TRUE(tokenizer->encode("").empty());
  const auto pieces = tokenizer->encode_with_offsets("Kalo Kalo");
  ASSERT_EQ(pieces.size(), 2);
  EXPECT_EQ(pieces[0].begin, 0);
  EXPECT_EQ(pieces[0].end, 4);
  EXPECT_EQ(pieces[1].begin, 4);
  EXPECT_EQ(pieces[1].end, 9);
}

TEST(ByteBpeTest, OffsetsCoverBadBytesAndPrefix) {
  for (const bool prefix : {false, true}) {
    const auto tokenizer = text::tokenizer_from_gguf(test::trained({{" the", 8}, {"né", 1}}, prefix));
    Rng rng(2);
    for (int i = 0; i < 1000; ++i) {
      const std::string text = test::random_bytes(rng);
      test::expect_spans_cover(*tokenizer, text);
    }
  }
}

TEST(ByteBpeTest, AVeryLongWordIsNotQuadratic) {
  const auto tokenizer = text::tokenizer_from_gguf(test::trained({{"ab", 3}, {"abab", 2}}));
  std::string word;
  for (int i = 0; i < 200000; ++i) word += "ab";
  const auto ids = tokenizer->encode(word);
  EXPECT_EQ(ids.size(), 100000);
  EXPECT_EQ(tokenizer->decode(ids), word);
}

TEST(ByteBpeTest, MissingBytesBecomeTheUnknownToken) {
  io::Metadata metadata;
  metadata.values["tokenizer.ggml.model"] = std::string("gpt2");
  metadata.values["tokenizer.ggml.merges"] = std::vector<std::string>{};
  test::put_tokens(metadata, {{"a"}, {"<unk>", 2}});
  EXPECT_EQ(text::tokenizer_from_gguf(metadata)->encode("aba"), (Ids{0, 0}));
  EXPECT_EQ(text::tokenizer_from_gguf(metadata)->encode_with_offsets("ba")[0].begin, 0);
  metadata.values["tokenizer.ggml.unknown_token_id"] = uint64_t{1};
  EXPECT_EQ(text::tokenizer_from_gguf(metadata)->encode("aba"), (Ids{0, 1, 0}));
}

TEST(ByteBpeTest, WholeWordsSkipTheMergesWhereTheModelSaysSo) {
  auto metadata = test::trained({{"ab", 1}}, false, "llama-bpe");
  const int32_t word = test::add_token(metadata, "xyz", 1);
  EXPECT_EQ(text::tokenizer_from_gguf(metadata)->encode("xyz"), Ids{word});
  metadata.values["tokenizer.ggml.pre"] = std::string("gpt-2");
  EXPECT_EQ(text::tokenizer_from_gguf(metadata)->encode("xyz").size(), 3);
}

TEST(ByteBpeTest, DamagedVocabulariesAreErrors) {
  const auto good = test::trained({{"ab", 1}});
  const auto expect_error = [&](const std::string& key, io::MetaValue value, const std::string& named) {
    auto metadata = good;
    metadata.values[key] = std::move(value);
    try {
      text::tokenizer_from_gguf(metadata);
      FAIL() << key << " was accepted";
    } catch (const Error& error) {
      EXPECT_NE(std::string(error.what()).find(named), std::string::npos) << error.what();
    }
  };
  using Texts = std::vector<std::string>;
  expect_error("tokenizer.ggml.merges", Texts{"ab"}, "merge 0");
  expect_error("tokenizer.ggml.merges", Texts{"a "}, "merge 0");
  expect_error("tokenizer.ggml.merges", Texts{"a c"}, "merge 0");
  expect_error("tokenizer.ggml.tokens", Texts{}, "0 tokens");
  expect_error("tokenizer.ggml.tokens", Texts{"\xff"}, "token 0 is not UTF-8");
  expect_error("tokenizer.ggml.token_type", std::vector<int64_t>{1}, "token_type has 1 entries");
  expect_error("tokenizer.ggml.bos_token_id", int64_t{-1}, "bos_token_id is -1");
  expect_error("tokenizer.ggml.eos_token_id", int64_t{1} << 40, "eos_token_id");
  expect_error("tokenizer.ggml.pre", std::string("nonsense"), "qwen2");
  expect_error("tokenizer.ggml.model", std::string("nonsense"), "gpt2, llama");
}

TEST(ByteBpeTest, DecodeRefusesIdsOutsideTheVocabulary) {
  const auto tokenizer = text::tokenizer_from_gguf(test::trained({{"ab", 1}}));
  EXPECT_THROW(tokenizer->decode(Ids{-1}), Error);
  EXPECT_THROW(tokenizer->decode(Ids{tokenizer->vocab_size()}), Error);
}

}  // namespace
}  // namespace ken::text::byte_bpe_test_file
