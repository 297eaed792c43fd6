// SentencePiece BPE (Kudo and Richardson 2018): characters are merged into pieces, the highest score first, or by the
// merges of a tokenizer.json; a character without a piece becomes its bytes. Spaces are U+2581 inside pieces.
#include <algorithm>
#include <unordered_map>

#include "ken/base/error.h"
#include "ken/text/bytes.h"
#include "ken/text/kinds.h"
#include "ken/text/merge.h"
#include "ken/text/pipeline.h"
#include "ken/text/sentencepiece_text.h"

namespace ken::text {
namespace {

// Whether a space follows something else inside the piece.
bool has_inner_space(std::string_view piece) {
  size_t at = 0;
  while (piece.substr(at).starts_with(space_mark)) at += space_mark.size();
  return piece.find(space_mark, at) != piece.npos;
}

// The next space after something that is no space.
size_t word_end(std::string_view text, size_t begin) {
  for (size_t end = begin + 1; (end = text.find(space_mark, end)) < text.size(); ++end)
    if (!text.substr(begin, end - begin).ends_with(space_mark)) return end;
  return text.size();
}

class SentencePieceBpe final : public PieceTokenizer {
 public:
  explicit SentencePieceBpe(const io::Metadata& metadata) {
    auto types = read_vocabulary(*this, metadata, true, true);
    if (!metadata.has("tokenizer.ggml.token_type")) guess_byte_types(types);
    for (size_t i = 0; i < types.size() && !unk; ++i)
      if (types[i] == TokenType::unknown) unk = int32_t(i);
    fallback_ = {read_byte_ids(*this, types), unk, metadata.flag("tokenizer.ken.fuse_unk", true)};
    scores_ = read_scores(*this, metadata);
    const bool steps = Pipeline::is_in(metadata);
    read_pieces(types, steps);
    if (metadata.has("tokenizer.ggml.merges")) read_merges(metadata.texts("tokenizer.ggml.merges"));
    words_are_apart_ = words_are_apart_ && metadata.flag("tokenizer.ken.escape_whitespaces", true);
    whole_words_ = metadata.flag("tokenizer.ken.whole_words", false);
    steps ? void(pipeline_.emplace(metadata, *this, types, PreTokenizer()))
          : void(text_.emplace(metadata, *this, types, true));
  }

 private:
  void guess_byte_types(std::vector<TokenType>& types) const {
    for (size_t i = 0; i < types.size(); ++i)
      if (byte_of_piece(pieces[i])) types[i] = TokenType::byte;
  }

  // Of a file with steps of its own, user-defined tokens are pieces, too: Gemma's runs of spaces come from merges.
  void read_pieces(const std::vector<TokenType>& types, bool steps) {
    bytes_ = pieces;
    for (size_t i = 0; i < pieces.size(); ++i) {
      const bool added = types[i] == TokenType::user_defined;
      if (types[i] == TokenType::byte) bytes_[i] = std::string(1, char(*byte_of_piece(pieces[i])));
      if (types[i] != TokenType::normal && types[i] != TokenType::unused && !added) continue;
      bytes_[i] = unmark_spaces(pieces[i]);
      if (added && !steps) continue;  // found in the text before pieces are
      index_.emplace(pieces[i], int32_t(i));
      longest_ = std::max(longest_, pieces[i].size());
      words_are_apart_ = words_are_apart_ && !has_inner_space(pieces[i]);
    }
  }

  // tokenizer.json lists which pairs merge, and in which order; the scores of pieces say nearly the same.
  void read_merges(const std::vector<std::string>& merges) {
    for (size_t rank = 0; rank < merges.size(); ++rank) {
      const size_t space = merges[rank].find(' ', 1);
      if (space == std::string::npos || space + 1 == merges[rank].size())
        fail("tokenizer", "merge {} is not two tokens with a space between; the file is damaged", rank);
      const std::string left = merges[rank].substr(0, space), right = merges[rank].substr(space + 1);
      const int32_t l = find(left), r = find(right), both = find(left + right);
      if (l >= 0 && r >= 0 && both >= 0) merges_.try_emplace(pair_key(l, r), Merge{double(rank), both});
    }
    by_rank_ = true;
  }

  std::vector<Piece> run(std::string_view text, bool parse_special) const override {
    if (pipeline_)
      return pipeline_->pieces(text, parse_special,
                               [&](auto& from, auto word, auto& out) { encode_words(from, word, out); });
    return text_->pieces(text, parse_special, [&](auto& part, auto& out) { encode_text(part, out); });
  }

  // User-defined tokens stand, and nothing merges with them.
  void encode_text(const MappedText& text, std::vector<Piece>& out) const {
    const std::string_view view = text.text;
    for (size_t at = 0; at < view.size();) {
      const auto match = text_->fixed().find(view, at, false);
      const size_t end = match ? match->begin : view.size();
      if (end > at) encode_words(text, view.substr(at, end - at), out);
      if (match) out.push_back({match->id, text.origin(match->begin), text.origin(match->end)});
      at = match ? match->end : end;
    }
  }

  // Where no piece goes on over a space, words are merged each for itself: the same tokens, without a heap over all.
  void encode_words(const MappedText& text, std::string_view part, std::vector<Piece>& out) const {
    const size_t first = out.size();
    if (const int32_t whole = whole_words_ ? find(part) : -1; whole >= 0) {
      const size_t at = text.place_of(part);
      out.push_back({whole, text.origin(at), text.origin(at + part.size())});
      return;
    }
    for (size_t begin = 0, end; begin < part.size(); begin = end) {
      end = words_are_apart_ ? word_end(part, begin) : part.size();
      merge(text, part.substr(begin, end - begin), out, first);
    }
  }

  void merge(const MappedText& text, std::string_view word, std::vector<Piece>& out, size_t first) const {
    std::vector<Symbol> symbols;
    for (size_t at = 0; at < word.size();) {
      const size_t length = std::max<size_t>(utf8_length(word, at), 1);  // a bad byte stands for itself
      symbols.push_back({find(word.substr(at, length)), at, at + length});
      at += length;
    }
    link_symbols(symbols);
    merge_symbols(std::span(symbols), [&](const Symbol& left, const Symbol& right) -> std::optional<Merge> {
      if (by_rank_) {
        const auto found = merges_.find(pair_key(left.id, right.id));
        return found == merges_.end() ? std::nullopt : std::optional(found->second);
      }
      const int32_t id = find(word.substr(left.begin, right.end - left.begin));
      if (id < 0) return std::nullopt;
      return Merge{-scores_[id], id};
    });
    const size_t place = text.place_of(word);
    for (size_t i = 0; i != no_symbol; i = symbols[i].next) {
      const Symbol& symbol = symbols[i];
      const size_t begin = text.origin(place + symbol.begin), end = text.origin(place + symbol.end);
      if (symbol.id >= 0) {
        out.push_back({symbol.id, begin, end});
      } else {
        fallback_.put(word.substr(symbol.begin, symbol.end - symbol.begin), begin, end, out, first);
      }
    }
  }

  int32_t find(std::string_view piece) const {
    if (piece.size() > longest_) return -1;
    const auto found = index_.find(piece);
    return found == index_.end() ? -1 : found->second;
  }

  std::vector<double> scores_;
  Fallback fallback_;
  std::unordered_map<std::string_view, int32_t> index_;
  std::unordered_map<uint64_t, Merge> merges_;  // of a file that lists them; else pieces merge by score
  std::optional<Pipeline> pipeline_;            // of a file that has steps of its own, else text_
  std::optional<SentencePieceText> text_;
  size_t longest_ = 0;
  bool by_rank_ = false, words_are_apart_ = true, whole_words_ = false;
};

}  // namespace

std::shared_ptr<const Tokenizer> make_sentencepiece_bpe(const io::Metadata& metadata) {
  return std::make_shared<const SentencePieceBpe>(metadata);
}

}  // namespace ken::text
