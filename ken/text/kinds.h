// What the tokenizer kinds share: the checked vocabulary of a file, and one maker per kind. Private to text/.
#pragma once
#include <array>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "ken/io/tensors.h"
#include "ken/text/tokenizer.h"

namespace ken::text {

// tokenizer.ggml.token_type
enum class TokenType : uint8_t { undefined, normal, unknown, control, user_defined, unused, byte };

// Fills pieces, bos, eos, unk and the flags (with the kind's defaults); returns one type per piece, all checked.
std::vector<TokenType> read_vocabulary(Tokenizer& tokenizer, const io::Metadata& metadata, bool add_bos,
                                       bool add_space_prefix);

// tokenizer.ggml.scores: one number per token.
std::vector<double> read_scores(const Tokenizer& tokenizer, const io::Metadata& metadata);

// The ids of the pieces that stand for bytes, -1 where the vocabulary lacks one.
std::array<int32_t, 256> read_byte_ids(const Tokenizer& tokenizer, const std::vector<TokenType>& types);

// What all kinds answer from one walk over the text.
class PieceTokenizer : public Tokenizer {
 public:
  std::vector<int32_t> encode(std::string_view text, bool parse_special) const final;
  std::string decode(std::span<const int32_t> ids) const override;
  std::vector<Piece> encode_with_offsets(std::string_view text) const final;

 protected:
  virtual std::vector<Piece> run(std::string_view text, bool parse_special) const = 0;
  void check_id(int32_t id) const;  // throws for an id outside the vocabulary
  std::vector<std::string> bytes_;  // id -> what it decodes to; added tokens stand as their own text
};

std::shared_ptr<const Tokenizer> make_byte_bpe(const io::Metadata& metadata);
std::shared_ptr<const Tokenizer> make_sentencepiece_bpe(const io::Metadata& metadata);
std::shared_ptr<const Tokenizer> make_unigram(const io::Metadata& metadata);
std::shared_ptr<const Tokenizer> make_wordpiece(const io::Metadata& metadata);

}  // namespace ken::text
