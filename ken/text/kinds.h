// What the tokenizer kinds share: the checked vocabulary of a file, and one maker per kind. Private to text/.
#pragma once
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "ken/io/tensors.h"
#include "ken/text/added_tokens.h"
#include "ken/text/tokenizer.h"

namespace ken::text {

// tokenizer.ggml.token_type
enum class TokenType : uint8_t { undefined, normal, unknown, control, user_defined, unused, byte };

// Fills pieces, bos, eos, unk and the flags (with the kind's defaults); returns one type per piece, all checked.
std::vector<TokenType> read_vocabulary(Tokenizer& tokenizer, const io::Metadata& metadata, bool add_bos,
                                       bool add_space_prefix);

// User-defined and control tokens of the vocabulary.
AddedTokens added_tokens(const Tokenizer& tokenizer, const std::vector<TokenType>& types);

// What both BPE kinds answer from one walk over the text.
class BpeTokenizer : public Tokenizer {
 public:
  std::vector<int32_t> encode(std::string_view text, bool parse_special) const final;
  std::string decode(std::span<const int32_t> ids) const final;
  std::vector<Piece> encode_with_offsets(std::string_view text) const final;

 protected:
  virtual std::vector<Piece> run(std::string_view text, bool parse_special) const = 0;
  AddedTokens added_;
  std::vector<std::string> bytes_;  // id -> what it decodes to; added tokens stand as their own text
};

std::shared_ptr<const Tokenizer> make_byte_bpe(const io::Metadata& metadata);
std::shared_ptr<const Tokenizer> make_sentencepiece_bpe(const io::Metadata& metadata);

}  // namespace ken::text
