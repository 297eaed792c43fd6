// Text <-> token ids. A tokenizer is read from GGUF metadata; encode adds no BOS and parses no special tokens unless
// asked.
#pragma once
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ken/io/tensors.h"

namespace ken::text {

class Tokenizer {
 public:
  virtual ~Tokenizer() = default;
  virtual std::vector<int32_t> encode(std::string_view text, bool parse_special = false) const = 0;
  // The bytes of the ids, control tokens as their text; SentencePiece kinds keep the leading space that the prefix
  // adds.
  virtual std::string decode(std::span<const int32_t> ids) const = 0;

  int32_t vocab_size() const { return int32_t(pieces.size()); }
  std::vector<std::string> pieces;  // as stored in the file
  std::optional<int32_t> bos, eos, unk;
  bool add_bos = false;           // whether a prompt starts with BOS; the caller adds it
  bool add_space_prefix = false;  // whether encode puts a space before the text
  // Byte span of each id's text in `text`, for finding a word's tokens; spans cover `text` in order (a prefix space is
  // an empty span or part of the first).
  struct Piece {
    int32_t id;
    size_t begin, end;
  };
  virtual std::vector<Piece> encode_with_offsets(std::string_view text) const = 0;
};

// From tokenizer.ggml.* keys: model "gpt2" (byte-level BPE, pre-tokeniser by tokenizer.ggml.pre; an unknown one is an
// error that lists the known), "llama" (SentencePiece BPE with byte fallback), "t5" (unigram) and "bert" (WordPiece).
std::shared_ptr<const Tokenizer> tokenizer_from_gguf(const io::Metadata& metadata);

// The same keys from a Hugging Face folder's tokenizer.json or tokenizer.model (and tokenizer_config.json,
// chat_template.jinja), or from one of the two files alone. What is not supported is an error that quotes it.
io::Metadata tokenizer_metadata(const fs::path& path);

// A byte-level BPE trained on words: merges are learned, most frequent pair first (ties by bytes, so the result does
// not depend on hashing), until every word is one token or `max_vocab` is reached. A word carries its leading space if
// any.
struct BpeVocab {
  std::vector<std::string> tokens;  // in GPT-2's printable byte alphabet: 256 bytes, specials, merges, added words
  std::vector<std::string> merges;  // "left right"
  std::vector<int> types;           // tokenizer.ggml.token_type: 1 normal, 3 control, 4 user defined
};
BpeVocab train_bpe(const std::vector<std::pair<std::string, uint64_t>>& words, const std::vector<std::string>& specials,
                   size_t max_vocab);

// tokenizer.ggml.* keys of a trained vocabulary (model gpt2, the given pre-tokeniser, add_space_prefix).
void put_tokenizer(io::Metadata& metadata, const BpeVocab& vocab, const std::string& pre, bool add_space_prefix,
                   const std::string& bos, const std::string& eos);

}  // namespace ken::text
