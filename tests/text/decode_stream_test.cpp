// Decoding one token at a time loses nothing and splits no character.
#include "ken/text/decode_stream.h"

#include <gtest/gtest.h>

#include "ken/base/error.h"
#include "ken/text/bytes.h"
#include "tests/text/vocabularies.h"

namespace ken::text::decode_stream_test_file {
namespace {

using namespace ken;

std::shared_ptr<const text::Tokenizer> bytes() { return text::tokenizer_from_gguf(test::trained({{" the", 3}})); }

TEST(DecodeStreamTest, HoldsBackPartsOfACharacter) {
  const auto tokenizer = bytes();
  text::DecodeStream stream(*tokenizer);
  const auto ids = tokenizer->encode("a\U0001f600é");
  std::vector<std::string> parts;
  for (const int32_t id : ids) parts.push_back(stream.next(id));
  EXPECT_EQ(parts, (std::vector<std::string>{"a", "", "", "", "\U0001f600", "", "é"}));
  EXPECT_EQ(stream.flush(), "");
}

TEST(DecodeStreamTest, NothingIsLostAndWholeTextComesWhole) {
  const auto tokenizer = bytes();
  Rng rng(6);
  for (int i = 0; i < 2000; ++i) {
    const bool valid = i % 2;
    const std::string text = valid ? test::random_text(rng) : test::random_bytes(rng);
    text::DecodeStream stream(*tokenizer);
    std::string joined;
    for (const int32_t id : tokenizer->encode(text)) {
      const std::string part = stream.next(id);
      EXPECT_TRUE(!valid || text::is_utf8(part));
      joined += part;
    }
    EXPECT_EQ(joined + stream.flush(), text);
  }
}

TEST(DecodeStreamTest, AnUnfinishedCharacterComesWithTheFlush) {
  const auto tokenizer = bytes();
  text::DecodeStream stream(*tokenizer);
  const auto ids = tokenizer->encode("a\xe2\x96");
  std::string joined;
  for (const int32_t id : ids) joined += stream.next(id);
  EXPECT_EQ(joined, "a");
  EXPECT_EQ(stream.flush(), "\xe2\x96");
}

TEST(DecodeStreamTest, BytesThatNoneCanCompleteAreNotHeld) {
  EXPECT_EQ(text::complete_utf8("a\xe2\x96"), 1);
  EXPECT_EQ(text::complete_utf8("a\xf0\x90\x80"), 1);
  EXPECT_EQ(text::complete_utf8("a\xff"), 2);
  EXPECT_EQ(text::complete_utf8("a\xc0"), 2);
  EXPECT_EQ(text::complete_utf8("a\x96"), 2);
  EXPECT_EQ(text::complete_utf8("\xed\xa0"), 2);  // would be a surrogate
  EXPECT_EQ(text::complete_utf8(""), 0);
}

TEST(DecodeStreamTest, TheFirstWordHasNoBlank) {
  io::Metadata metadata;
  metadata.values["tokenizer.ggml.model"] = std::string("bert");
  test::put_tokens(metadata, {{"[UNK]", 3}, {"un"}, {"##aff"}});
  const auto tokenizer = text::tokenizer_from_gguf(metadata);
  text::DecodeStream stream(*tokenizer);
  EXPECT_EQ(stream.next(1), "un");
  EXPECT_EQ(stream.next(2), "aff");
  EXPECT_EQ(stream.next(1), " un");
  EXPECT_THROW(stream.next(3), Error);
}

TEST(DecodeStreamTest, bytes_that_are_no_character_are_replaced) {
  EXPECT_EQ(text::valid_utf8("a\xe2\x96"), "a\xef\xbf\xbd\xef\xbf\xbd");
  EXPECT_EQ(text::valid_utf8("\xff"
                             "b"),
            "\xef\xbf\xbd"
            "b");
  EXPECT_EQ(text::valid_utf8("caf\xc3\xa9"), "caf\xc3\xa9");
  EXPECT_EQ(text::valid_utf8(""), "");
}

}  // namespace
}  // namespace ken::text::decode_stream_test_file
