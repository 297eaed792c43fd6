// tokenizer.model: what SentencePiece 0.1.97 gives for the same files, and damaged files. The expected ids are those of
// its spm_encode.
#include "ken/text/sentencepiece_model.h"

#include <gtest/gtest.h>

#include "ken/base/error.h"
#include "ken/base/files.h"
#include "tests/fixtures.h"
#include "tests/text/protobuf.h"

namespace ken::text::sentencepiece_model_test_file {
namespace {

using namespace ken;
using test::Token;
using Ids = std::vector<int32_t>;
using Cases = std::vector<std::pair<std::string, Ids>>;
const std::string mark = "\xe2\x96\x81";

void expect_ids(const std::vector<Token>& pieces, const test::ModelSettings& settings, const Cases& cases) {
  const auto tokenizer =
      text::tokenizer_from_gguf(text::sentencepiece_metadata(test::sentencepiece_model(pieces, settings)));
  for (const auto& [text, ids] : cases) EXPECT_EQ(tokenizer->encode(text), ids) << "'" << text << "'";
}

const std::vector<Token> unigram{{"<unk>", 2},
                                 {"<s>", 3},
                                 {"</s>", 3},
                                 {mark, 1, -2},
                                 {"a", 1, -3.5},
                                 {"b", 1, -3.5},
                                 {mark + "a", 1, -3},
                                 {"ab", 1, -4},
                                 {mark + "ab", 1, -5.5},
                                 {"bc", 1, -4.25},
                                 {"c", 1, -5},
                                 {"abc", 1, -6},
                                 {"[X]", 4},
                                 {"é", 1, -4},
                                 {"A", 1, -4.5},
                                 {"fi", 1, -5},
                                 {mark + mark, 1, -2.5},
                                 {"Å", 1, -4.75},
                                 {"dead", 5, -1},
                                 {"d", 1, -6},
                                 {"e", 1, -6}};

TEST(SentencepieceModelTest, UnigramWithRulesAndCleanedSpaces) {
  expect_ids(unigram, {.rules = test::small_rules()},
             {{"ab", {8}},
              {"abc", {6, 9}},
              {"aabcab", {6, 11, 7}},
              {"a  b", {6, 3, 5}},
              {" a b ", {6, 3, 5}},
              {"é", {3, 13}},
              {"zz", {3, 0}},
              {"azzb", {6, 0, 5}},
              {"a[X]b", {6, 12, 5}},
              {"[X]", {3, 12}},
              {"dead", {3, 19, 20, 4, 19}},
              {"<s>a", {3, 0, 4}},
              {mark + "a", {3, 6}},
              {"aﬁ　b", {6, 15, 3, 5}},
              {"A\u030ab", {3, 17, 5}},
              {"Ａ\u030a", {3, 17}},
              {"a\tb", {6, 3, 5}},
              {"\u00ad", {}},
              {"", {}},
              {"   ", {}},
              {"a\ufeffb", {8}},
              {"日本", {3, 0}},
              {"a日[X]日a", {6, 0, 12, 0, 4}}});
}

TEST(SentencepieceModelTest, UnigramWithBytesKeepsSpaces) {
  expect_ids(test::with_bytes(unigram), {.removes_spaces = false, .rules = test::small_rules()},
             {{"a  b", {6, 16, 5}},
              {" a b ", {3, 6, 3, 5, 3}},
              {"zz", {3, 143, 143}},
              {"\u00ad", {3}},
              {"   ", {16, 16}},
              {"日本", {3, 251, 172, 186, 251, 177, 193}},
              {"a日[X]日a", {6, 251, 172, 186, 12, 251, 172, 186, 4}}});
}

TEST(SentencepieceModelTest, UnigramWithoutPrefixAndWithItBehind) {
  expect_ids(unigram, {.prefix = false},
             {{"ab", {7}}, {" a b ", {4, 3, 5}}, {"zz", {0}}, {"[X]", {12}}, {"a日[X]日a", {4, 0, 12, 0, 4}}});
  expect_ids(unigram, {.suffix = true},
             {{"ab", {7, 3}}, {" a b ", {4, 3, 5, 3}}, {"[X]", {12, 3}}, {"", {}}, {"   ", {}}});
}

const std::vector<Token> bpe{{"<unk>", 2},   {"<s>", 3},           {"</s>", 3},   {mark, 1, -9}, {"a", 1, -9},
                             {"b", 1, -9},   {"c", 1, -9},         {"ab", 1, -1}, {"bc", 1, -2}, {mark + "a", 1, -3},
                             {"abc", 1, -4}, {mark + "ab", 1, -5}, {"[X]", 4},    {"fi", 1, -6}, {"f", 1, -9},
                             {"i", 1, -9},   {mark + mark, 1, -7}, {"A", 1, -9},  {"Å", 1, -9}};

TEST(SentencepieceModelTest, BpeWithRulesAndCleanedSpaces) {
  expect_ids(bpe, {.type = 2, .rules = test::small_rules()},
             {{"ab", {11}},
              {"abc", {3, 10}},
              {"aabcab", {9, 10, 7}},
              {" a  b ", {9, 3, 5}},
              {"azzb", {9, 0, 5}},
              {"a[X]b", {9, 12, 5}},
              {"[X]", {3, 12}},
              {"<s>a", {3, 0, 4}},
              {"aﬁ　b", {9, 13, 3, 5}},
              {"Ａ\u030a", {3, 18}},
              {"\u00ad", {}},
              {"   ", {}},
              {"a\ufeffb", {11}},
              {"a日[X]日a", {9, 0, 12, 0, 4}}});
}

TEST(SentencepieceModelTest, BpeUserDefinedRunsOfSpacesStand) {
  std::vector<Token> pieces = bpe;
  pieces[16].type = 4;
  expect_ids(pieces, {.type = 2, .removes_spaces = false},
             {{"a  b", {9, 16, 5}},
              {" a b ", {16, 4, 3, 5, 3}},
              {"   ", {16, 16}},
              {"a   b", {9, 16, 3, 5}},
              {"a    b[X]  ", {9, 16, 16, 5, 12, 16}}});
}

TEST(SentencepieceModelTest, OffsetsSurviveRulesAndCleaning) {
  const auto tokenizer = text::tokenizer_from_gguf(
      text::sentencepiece_metadata(test::sentencepiece_model(unigram, {.rules = test::small_rules()})));
  const auto pieces = tokenizer->encode_with_offsets("  aﬁ\u3000A\u030a ");
  ASSERT_EQ(pieces.size(), 4);  // ▁a fi ▁ Å
  const size_t ends[] = {3, 6, 9, 13};
  for (size_t i = 0; i < 4; ++i) EXPECT_EQ(pieces[i].end, ends[i]) << i;
  EXPECT_EQ(pieces[0].begin, 0);
}

TEST(SentencepieceModelTest, SaysWhatGgufSays) {
  KEN_FIXTURE(folder, "models/stories260K/hf");
  const auto model = text::sentencepiece_metadata(read_text(folder / "tokenizer.model"));
  const auto json = text::tokenizer_metadata(folder / "tokenizer.json");
  const auto gguf = io::open_tensors(folder / "../model.gguf")->metadata;
  for (const std::string key : {"tokens", "token_type", "model", "add_space_prefix"})
    EXPECT_TRUE(model.values.at("tokenizer.ggml." + key) == json.values.at("tokenizer.ggml." + key)) << key;
  for (const std::string key : {"tokens", "scores", "token_type", "model", "bos_token_id", "eos_token_id"})
    EXPECT_TRUE(model.values.at("tokenizer.ggml." + key) == gguf.values.at("tokenizer.ggml." + key)) << key;
}

TEST(SentencepieceModelTest, DamagedFilesAreErrors) {
  const std::string good = test::sentencepiece_model(unigram, {.rules = test::small_rules()});
  for (size_t size = 0; size < good.size(); size += 7) {
    try {
      text::tokenizer_from_gguf(text::sentencepiece_metadata(good.substr(0, size)))->encode("ab");
    } catch (const Error&) {
    }
  }
  EXPECT_THROW(text::sentencepiece_metadata(""), Error);
  EXPECT_THROW(text::sentencepiece_metadata("GGUF"), Error);
  EXPECT_THROW(text::sentencepiece_metadata(test::field(1, test::field(2, 1.0f))), Error);     // no text
  EXPECT_THROW(text::sentencepiece_metadata(test::field(1, std::string(10, '\xff'))), Error);  // no varint
  EXPECT_THROW(text::sentencepiece_metadata(test::field(1, test::field(1, "a") + test::field(3, uint64_t{9}))), Error);
  EXPECT_THROW(text::sentencepiece_metadata(test::sentencepiece_model(unigram, {.type = 3})), Error);  // words
  EXPECT_THROW(
      text::tokenizer_from_gguf(text::sentencepiece_metadata(test::sentencepiece_model(unigram, {.rules = "\x10"}))),
      Error);
  EXPECT_THROW(
      text::tokenizer_from_gguf(text::sentencepiece_metadata(test::sentencepiece_model({{"<0x4>", 6}}, {.type = 2}))),
      Error);
}

}  // namespace
}  // namespace ken::text::sentencepiece_model_test_file
