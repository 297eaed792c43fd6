// Small vocabularies for the tests of text/.
#pragma once
#include <gtest/gtest.h>

#include <set>
#include <string>
#include <vector>

#include "ken/base/rng.h"
#include "ken/io/tensors.h"
#include "ken/text/tokenizer.h"

namespace ken::test {

struct Token {
  std::string piece;
  int type = 1;
  double score = 0;
};

inline void put_tokens(io::Metadata& metadata, const std::vector<Token>& tokens) {
  std::vector<std::string> pieces;
  std::vector<int64_t> types;
  std::vector<double> scores;
  for (const Token& token : tokens) {
    pieces.push_back(token.piece);
    types.push_back(token.type);
    scores.push_back(token.score);
  }
  metadata.values["tokenizer.ggml.tokens"] = pieces;
  metadata.values["tokenizer.ggml.token_type"] = types;
  metadata.values["tokenizer.ggml.scores"] = scores;
}

// The vocabulary of `words` with two specials, as a tokenizer reads it.
inline io::Metadata trained(const std::vector<std::pair<std::string, uint64_t>>& words, bool add_space_prefix = false,
                            const std::string& pre = "gpt-2") {
  io::Metadata metadata;
  text::put_tokenizer(metadata, text::train_bpe(words, {"<bos>", "<eos>"}, 100000), pre, add_space_prefix, "<bos>",
                      "<eos>");
  return metadata;
}

// Adds one token to a vocabulary; returns its id.
inline int32_t add_token(io::Metadata& metadata, const std::string& piece, int type) {
  auto& pieces = std::get<std::vector<std::string>>(metadata.values["tokenizer.ggml.tokens"]);
  std::get<std::vector<int64_t>>(metadata.values["tokenizer.ggml.token_type"]).push_back(type);
  pieces.push_back(piece);
  return int32_t(pieces.size()) - 1;
}

// The spans of a text lie in order, have no gaps and cover it.
inline void expect_spans_cover(const text::Tokenizer& tokenizer, const std::string& text) {
  size_t end = 0;
  for (const auto& piece : tokenizer.encode_with_offsets(text)) {
    EXPECT_EQ(piece.begin, end);
    EXPECT_GE(piece.end, piece.begin);
    end = piece.end;
  }
  EXPECT_EQ(end, text.size());
}

// Well-formed UTF-8 of every length, with many spaces.
inline std::string random_text(Rng& rng) {
  std::string text;
  for (uint64_t i = rng.below(40); i > 0; --i) {
    static constexpr uint32_t limits[] = {0x80, 0x80, 0x800, 0xd800, 0x10ffff};
    const uint32_t code = rng.chance(0.2) ? ' ' : uint32_t(rng.below(limits[rng.below(5)]));
    if (code < 0x80) {
      text += char(code);
    } else if (code < 0x800) {
      text += {char(0xc0 | code >> 6), char(0x80 | (code & 0x3f))};
    } else if (code < 0xd800) {
      text += {char(0xe0 | code >> 12), char(0x80 | (code >> 6 & 0x3f)), char(0x80 | (code & 0x3f))};
    } else if (code >= 0x10000) {
      text += {char(0xf0 | code >> 18), char(0x80 | (code >> 12 & 0x3f)), char(0x80 | (code >> 6 & 0x3f)),
               char(0x80 | (code & 0x3f))};
    }
  }
  return text;
}

inline std::string random_bytes(Rng& rng) {
  std::string bytes;
  for (uint64_t i = rng.below(40); i > 0; --i) bytes += char(rng.chance(0.3) ? ' ' : rng.below(256));
  return bytes;
}

}  // namespace ken::test
