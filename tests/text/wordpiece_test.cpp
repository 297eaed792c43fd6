// WordPiece from GGUF keys in both forms of a vocabulary. tokenizer_json_test.cpp holds it to Hugging Face's ids.
#include <gtest/gtest.h>

#include "ken/base/error.h"
#include "tests/text/vocabularies.h"

namespace ken::text::wordpiece_test_file {
namespace {

using namespace ken;
using test::Token;
using Ids = std::vector<int32_t>;
const std::string mark = "\xe2\x96\x81";

io::Metadata vocabulary(const std::vector<Token>& tokens) {
  io::Metadata metadata;
  metadata.values["tokenizer.ggml.model"] = std::string("bert");
  metadata.values["tokenizer.ggml.unknown_token_id"] = int64_t{0};
  test::put_tokens(metadata, tokens);
  return metadata;
}

const std::vector<Token> marked{{"[UNK]", 3}, {"[CLS]", 3}, {mark + "un"}, {"aff"},      {"able"}, {mark + "aff"},
                                {mark + ","}, {mark + "."}, {mark + "日"}, {mark + "e"}, {"e"},    {mark + "'"}};
const std::vector<Token> hashed{{"[UNK]", 3}, {"[CLS]", 3}, {"un"}, {"##aff"}, {"##able"}, {"aff"},
                                {","},        {"."},        {"日"}, {"e"},     {"##e"},    {"'"}};

TEST(WordpieceTest, BothFormsGiveTheSame) {
  const std::vector<std::pair<std::string, Ids>> cases{{"unaffable", {2, 3, 4}},
                                                       {"UnÁffable, aff.", {2, 3, 4, 6, 5, 7}},
                                                       {"日e", {8, 9}},
                                                       {"affe eaff", {5, 10, 9, 3}},
                                                       {"unx aff", {0, 5}},
                                                       {"un\u00adaff\x01", {2, 3}},
                                                       {"  ", {}},
                                                       {"[CLS]", {0, 0, 0}},
                                                       {"\xff", {}}};
  for (const auto& tokens : {marked, hashed}) {
    const auto tokenizer = text::tokenizer_from_gguf(vocabulary(tokens));
    for (const auto& [text, ids] : cases) EXPECT_EQ(tokenizer->encode(text), ids) << text;
    EXPECT_EQ(tokenizer->encode("[CLS] un", true), (Ids{1, 2}));
  }
}

TEST(WordpieceTest, DecodingPutsBlanksBetweenWordsAsWritingDoes) {
  for (const auto& tokens : {marked, hashed}) {
    const auto tokenizer = text::tokenizer_from_gguf(vocabulary(tokens));
    EXPECT_EQ(tokenizer->decode(Ids{1, 2, 3, 4, 6, 5, 7}), "[CLS] unaffable, aff.");
    EXPECT_EQ(tokenizer->decode(Ids{9, 11, 9}), "e ' e");
  }
}

TEST(WordpieceTest, CaseIsKeptWhereTheFileSaysSo) {
  auto metadata = vocabulary(marked);
  metadata.values["tokenizer.ggml.normalizer.lowercase"] = false;
  EXPECT_EQ(text::tokenizer_from_gguf(metadata)->encode("Un un"), (Ids{0, 2}));
}

TEST(WordpieceTest, OffsetsCoverTheText) {
  const auto tokenizer = text::tokenizer_from_gguf(vocabulary(marked));
  const auto pieces = tokenizer->encode_with_offsets(" UnÁff, x");
  ASSERT_EQ(pieces.size(), 4);
  const size_t ends[] = {3, 7, 9, 10};  // what was taken out belongs to the token before
  for (size_t i = 0; i < 4; ++i) EXPECT_EQ(pieces[i].end, ends[i]) << i;
}

TEST(WordpieceTest, ALongWordEnds) {
  const auto tokenizer = text::tokenizer_from_gguf(vocabulary(marked));
  EXPECT_EQ(tokenizer->encode(std::string(400000, 'e')).size(), 400000);
}

}  // namespace
}  // namespace ken::text::wordpiece_test_file
