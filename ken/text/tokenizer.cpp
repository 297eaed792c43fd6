// Tokenizers from and to GGUF metadata: which kind a file has, and the checks that all kinds share.
#include "ken/text/tokenizer.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "ken/base/error.h"
#include "ken/text/bytes.h"
#include "ken/text/kinds.h"

namespace ken::text {
namespace {

std::optional<int32_t> read_id(const io::Metadata& metadata, const std::string& key, size_t vocabulary) {
  if (!metadata.has(key)) return std::nullopt;
  const int64_t id = metadata.integer(key);
  if (id < 0 || uint64_t(id) >= vocabulary)
    fail("tokenizer", "{} is {}, outside the vocabulary of {} tokens; the file is damaged", key, id, vocabulary);
  return int32_t(id);
}

std::vector<TokenType> read_types(const io::Metadata& metadata, size_t vocabulary) {
  static const std::string key = "tokenizer.ggml.token_type";
  std::vector<TokenType> types(vocabulary, TokenType::normal);
  if (!metadata.has(key)) return types;
  const std::vector<int64_t> stored = metadata.integers(key);
  if (stored.size() != vocabulary)
    fail("tokenizer", "{} has {} entries for {} tokens; the file is damaged", key, stored.size(), vocabulary);
  for (size_t i = 0; i < vocabulary; ++i) {
    if (stored[i] < 0 || stored[i] > 6)
      fail("tokenizer", "{}: token {} has type {}, but types are 0 to 6; the file is damaged", key, i, stored[i]);
    types[i] = stored[i] == 0 ? TokenType::normal : TokenType(stored[i]);
  }
  return types;
}

// Bytes that gave no token belong to the token before them (or the first one), so that spans cover the text.
void close_gaps(std::vector<Tokenizer::Piece>& pieces, size_t size) {
  size_t covered = 0;
  for (size_t i = 0; i < pieces.size(); ++i) {
    pieces[i].begin = i ? std::max(covered, pieces[i].begin) : 0;
    if (i) pieces[i - 1].end = pieces[i].begin;
    covered = std::max(covered, pieces[i].end);
  }
  if (!pieces.empty()) pieces.back().end = size;
}

}  // namespace

std::vector<TokenType> read_vocabulary(Tokenizer& tokenizer, const io::Metadata& metadata, bool add_bos,
                                       bool add_space_prefix) {
  static const std::string key = "tokenizer.ggml.tokens";
  tokenizer.pieces = metadata.texts(key);
  const size_t n = tokenizer.pieces.size();
  if (n == 0 || n > size_t(std::numeric_limits<int32_t>::max()))
    fail("tokenizer", "{} has {} tokens; a vocabulary has 1 to 2^31 - 1", key, n);
  for (size_t i = 0; i < n; ++i)
    if (!is_utf8(tokenizer.pieces[i])) fail("tokenizer", "{}: token {} is not UTF-8; the file is damaged", key, i);
  tokenizer.bos = read_id(metadata, "tokenizer.ggml.bos_token_id", n);
  tokenizer.eos = read_id(metadata, "tokenizer.ggml.eos_token_id", n);
  tokenizer.unk = read_id(metadata, "tokenizer.ggml.unknown_token_id", n);
  tokenizer.add_bos = metadata.flag("tokenizer.ggml.add_bos_token", add_bos) && tokenizer.bos;
  tokenizer.add_space_prefix = metadata.flag("tokenizer.ggml.add_space_prefix", add_space_prefix);
  return read_types(metadata, n);
}

std::vector<double> read_scores(const Tokenizer& tokenizer, const io::Metadata& metadata) {
  std::vector<double> scores = metadata.numbers("tokenizer.ggml.scores");
  if (scores.size() != tokenizer.pieces.size())
    fail("tokenizer", "tokenizer.ggml.scores has {} entries for {} tokens; the file is damaged", scores.size(),
         tokenizer.pieces.size());
  for (size_t i = 0; i < scores.size(); ++i)
    if (std::isnan(scores[i]))
      fail("tokenizer", "tokenizer.ggml.scores: token {} has no number; the file is damaged", i);
  return scores;
}

std::array<int32_t, 256> read_byte_ids(const Tokenizer& tokenizer, const std::vector<TokenType>& types) {
  std::array<int32_t, 256> ids;
  ids.fill(-1);
  for (size_t i = 0; i < types.size(); ++i) {
    if (types[i] != TokenType::byte) continue;
    const auto byte = byte_of_piece(tokenizer.pieces[i]);
    if (!byte) fail("tokenizer", "token {} has the type of a byte, but is not written <0xNN>; the file is damaged", i);
    ids[*byte] = int32_t(i);
  }
  return ids;
}

std::vector<int32_t> PieceTokenizer::encode(std::string_view text, bool parse_special) const {
  const std::vector<Piece> pieces = run(text, parse_special);
  std::vector<int32_t> ids(pieces.size());
  for (size_t i = 0; i < ids.size(); ++i) ids[i] = pieces[i].id;
  return ids;
}

std::vector<Tokenizer::Piece> PieceTokenizer::encode_with_offsets(std::string_view text) const {
  std::vector<Piece> pieces = run(text, false);
  close_gaps(pieces, text.size());
  return pieces;
}

std::string PieceTokenizer::decode(std::span<const int32_t> ids) const {
  std::string text;
  for (const int32_t id : ids) {
    check_id(id);
    text += bytes_[id];
  }
  return text;
}

void PieceTokenizer::check_id(int32_t id) const {
  if (id < 0 || id >= vocab_size())
    fail("tokenizer", "token id {} is outside the vocabulary of {} tokens", id, vocab_size());
}

std::shared_ptr<const Tokenizer> tokenizer_from_gguf(const io::Metadata& metadata) {
  const std::string model = metadata.text("tokenizer.ggml.model");
  if (model == "gpt2") return make_byte_bpe(metadata);
  if (model == "llama") return make_sentencepiece_bpe(metadata);
  if (model == "t5") return make_unigram(metadata);
  if (model == "bert") return make_wordpiece(metadata);
  fail("tokenizer", "the tokenizer kind '{}' (tokenizer.ggml.model) is not known; known are gpt2, llama, t5, bert",
       model.substr(0, 80));
}

void put_tokenizer(io::Metadata& metadata, const BpeVocab& vocab, const std::string& pre, bool add_space_prefix,
                   const std::string& bos, const std::string& eos) {
  const auto id_of = [&](const std::string& token) {
    const auto found = std::find(vocab.tokens.begin(), vocab.tokens.end(), token);
    if (found == vocab.tokens.end()) fail_usage("put_tokenizer", "'{}' is no token of the vocabulary", token);
    return uint64_t(found - vocab.tokens.begin());
  };
  auto& values = metadata.values;
  values["tokenizer.ggml.model"] = std::string("gpt2");
  values["tokenizer.ggml.pre"] = pre;
  values["tokenizer.ggml.tokens"] = vocab.tokens;
  values["tokenizer.ggml.merges"] = vocab.merges;
  values["tokenizer.ggml.token_type"] = std::vector<int64_t>(vocab.types.begin(), vocab.types.end());
  values["tokenizer.ggml.add_space_prefix"] = add_space_prefix;
  values["tokenizer.ggml.add_bos_token"] = !bos.empty();
  if (!bos.empty()) values["tokenizer.ggml.bos_token_id"] = id_of(bos);
  if (!eos.empty()) values["tokenizer.ggml.eos_token_id"] = id_of(eos);
}

}  // namespace ken::text
