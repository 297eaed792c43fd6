// Text as a SentencePiece model sees it: characters replaced by rule, white space cleaned or kept, spaces as U+2581,
// one put before the text. Private to text/.
#pragma once
#include <array>
#include <functional>
#include <optional>

#include "ken/io/tensors.h"
#include "ken/text/added_tokens.h"
#include "ken/text/charsmap.h"
#include "ken/text/kinds.h"
#include "ken/text/mapped_text.h"
#include "ken/text/pipeline.h"

namespace ken::text {

class SentencePieceText {
 public:
  // Keys: tokenizer.ggml.add_space_prefix, .remove_extra_whitespaces and .precompiled_charsmap; of tokenizer.model
  // alone, tokenizer.ken.escape_whitespaces and .space_suffix. `keeps_bad_bytes`: a byte that is not UTF-8 stays as it
  // is, and else becomes U+FFFD.
  SentencePieceText(const io::Metadata& metadata, const Tokenizer& tokenizer, const std::vector<TokenType>& types,
                    bool keeps_bad_bytes);

  // The pieces of a text: those that `encode` appends for each stretch between control tokens, and these, which are
  // matched on request: what follows one is a text of its own (a turn of a chat). User-defined tokens are part of the
  // text.
  using Encode = std::function<void(const MappedText& part, Pipeline::Pieces& out)>;
  Pipeline::Pieces pieces(std::string_view text, bool parse_special, const Encode& encode) const;

  // User-defined tokens as they stand in such text.
  const AddedTokens& fixed() const { return fixed_; }

 private:
  struct Prefix {
    size_t length;  // bytes of the text
    std::string_view text;
    bool same;  // as they stand there
  };
  Prefix next(std::string_view text, size_t at) const;
  MappedText normalize(std::string_view text, size_t offset, bool prefix) const;
  bool write(Rewriter& out, std::string_view piece, const Prefix& from, size_t at) const;
  AddedTokens control_, fixed_;
  CharsMap rules_;
  std::string_view mark_;
  bool prefix_, suffix_, removes_spaces_, keeps_bad_bytes_;
};

// Characters that are no piece: their bytes where the vocabulary has them all, else the unknown token (one for several
// that follow one another, if `fuse`), else nothing.
struct Fallback {
  std::array<int32_t, 256> bytes{};
  std::optional<int32_t> unknown;
  bool fuse = true;
  // `first`: the number of pieces where what may be fused began.
  void put(std::string_view character, size_t begin, size_t end, std::vector<Tokenizer::Piece>& out,
           size_t first) const;
};

}  // namespace ken::text
