// The way of text to words in Hugging Face's order: added tokens, normaliser, added tokens that are matched in
// normalised text, pre-tokeniser. A vocabulary of GGUF is the same with fewer steps. Private to text/.
#pragma once
#include <functional>

#include "ken/io/tensors.h"
#include "ken/text/added_tokens.h"
#include "ken/text/kinds.h"
#include "ken/text/normalizer.h"
#include "ken/text/pretokenizers.h"

namespace ken::text {

class Pipeline {
 public:
  // Whether the file has steps of its own: tokenizer.ken.normalizer, .pre_tokenizer or .added_tokens, as tokenizer.json
  // writes them.
  static bool is_in(const io::Metadata& metadata);
  // From those keys. `words` is used where the file has no pre-tokenizer.
  Pipeline(const io::Metadata& metadata, const Tokenizer& tokenizer, const std::vector<TokenType>& types,
           PreTokenizer words);
  // With other steps than the file's.
  Pipeline(const Tokenizer& tokenizer, const std::vector<TokenType>& types, Normalizer normalizer, PreTokenizer words)
      : Pipeline({}, tokenizer, types, std::move(words)) {
    normalizer_ = std::move(normalizer);
  }
  // A space is put before a text that does not begin with one.
  void put_space_first() { space_first_ = true; }

  // Calls `word` for each word (bytes that are not UTF-8 are words of one byte) and `added` for each added token with
  // its span in `text`.
  using Added = std::function<void(int32_t id, size_t begin, size_t end)>;
  void run(std::string_view text, bool parse_special, const PreTokenizer::Words& word, const Added& added) const;
  // The pieces of a text: those that `encode` appends for each word, and the added tokens between them.
  using Pieces = std::vector<Tokenizer::Piece>;
  using Encode = std::function<void(const MappedText& from, std::string_view word, Pieces& out)>;
  Pieces pieces(std::string_view text, bool parse_special, const Encode& encode) const;

 private:
  void run_plain(std::string_view text, size_t offset, bool parse_special, const PreTokenizer::Words& word,
                 const Added& added) const;
  void run_normalized(MappedText text, bool parse_special, const PreTokenizer::Words& word, const Added& added) const;
  AddedTokens added_, added_normalized_;
  Normalizer normalizer_;
  PreTokenizer words_;
  bool space_first_ = false;
};

}  // namespace ken::text
