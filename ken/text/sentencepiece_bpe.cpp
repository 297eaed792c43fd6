// SentencePiece BPE (Kudo and Richardson 2018): characters are merged into pieces, the highest score first; a character
// without a piece becomes its bytes. Spaces are U+2581 inside pieces.
#include <cmath>
#include <unordered_map>

#include "ken/base/error.h"
#include "ken/text/bytes.h"
#include "ken/text/kinds.h"
#include "ken/text/merge.h"

namespace ken::text {
namespace {

constexpr std::string_view space_mark = "\xe2\x96\x81";

// "<0x0A>" -> 10
std::optional<uint8_t> byte_of_piece(std::string_view piece) {
  static constexpr std::string_view digits = "0123456789ABCDEF";
  if (piece.size() != 6 || piece.substr(0, 3) != "<0x" || piece[5] != '>') return std::nullopt;
  const size_t high = digits.find(piece[3]), low = digits.find(piece[4]);
  if (high == std::string_view::npos || low == std::string_view::npos) return std::nullopt;
  return uint8_t(high << 4 | low);
}

std::string unmark_spaces(std::string_view piece) {
  std::string text;
  for (size_t at = 0; at < piece.size();) {
    const size_t mark = std::min(piece.find(space_mark, at), piece.size());
    text += piece.substr(at, mark - at);
    if (mark < piece.size()) text += ' ';
    at = mark + space_mark.size();
  }
  return text;
}

// Whether a space follows something else inside the piece.
bool has_inner_space(std::string_view piece) {
  size_t at = 0;
  while (piece.substr(at).starts_with(space_mark)) at += space_mark.size();
  return piece.find(space_mark, at) != piece.npos;
}

class SentencePieceBpe final : public BpeTokenizer {
 public:
  explicit SentencePieceBpe(const io::Metadata& metadata) {
    auto types = read_vocabulary(*this, metadata, true, true);
    if (!metadata.has("tokenizer.ggml.token_type")) guess_byte_types(types);
    for (size_t i = 0; i < types.size() && !unk; ++i)
      if (types[i] == TokenType::unknown) unk = int32_t(i);
    added_ = added_tokens(*this, types);
    read_scores(metadata);
    read_pieces(types);
    if (metadata.has("tokenizer.ggml.merges")) read_merges(metadata.texts("tokenizer.ggml.merges"));
  }

 private:
  // Text in which spaces are marks, and where each of its characters lies in the original.
  struct Marked {
    std::string text;
    std::vector<Symbol> symbols;
    std::vector<size_t> origins;
  };

  void guess_byte_types(std::vector<TokenType>& types) const {
    for (size_t i = 0; i < types.size(); ++i)
      if (byte_of_piece(pieces[i])) types[i] = TokenType::byte;
  }

  void read_scores(const io::Metadata& metadata) {
    scores_ = metadata.numbers("tokenizer.ggml.scores");
    if (scores_.size() != pieces.size())
      fail("tokenizer", "tokenizer.ggml.scores has {} entries for {} tokens; the file is damaged", scores_.size(),
           pieces.size());
    for (size_t i = 0; i < scores_.size(); ++i)
      if (std::isnan(scores_[i]))
        fail("tokenizer", "tokenizer.ggml.scores: token {} has no number; the file is damaged", i);
  }

  void read_pieces(const std::vector<TokenType>& types) {
    byte_ids_.fill(-1);
    bytes_ = pieces;
    for (size_t i = 0; i < pieces.size(); ++i) {
      if (types[i] == TokenType::byte) {
        const auto byte = byte_of_piece(pieces[i]);
        if (!byte)
          fail("tokenizer", "token {} has the type of a byte, but is not written <0xNN>; the file is damaged", i);
        bytes_[i] = std::string(1, char(*byte));
        byte_ids_[*byte] = int32_t(i);
      } else if (types[i] == TokenType::normal || types[i] == TokenType::unused) {
        bytes_[i] = unmark_spaces(pieces[i]);
        // Only these come from merges: user-defined tokens have been matched before, control ones are no text.
        index_.emplace(pieces[i], int32_t(i));
        longest_ = std::max(longest_, pieces[i].size());
        words_are_apart_ = words_are_apart_ && !has_inner_space(pieces[i]);
      }
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
  }

  std::vector<Piece> run(std::string_view text, bool parse_special) const override {
    std::vector<Piece> out;
    bool prefix = add_space_prefix;
    for (size_t at = 0; at < text.size();) {
      const auto added = added_.find(text, at, parse_special);
      const size_t end = added ? added->begin : text.size();
      if (end > at) encode_plain(text.substr(at, end - at), at, prefix, out);
      if (added) out.push_back({added->id, added->begin, added->end});
      at = added ? added->end : end;
      // What follows a control token is a text of its own (a turn of a chat), as in llama.cpp; what follows a
      // user-defined token is the same text.
      prefix = add_space_prefix && added && added->control;
    }
    return out;
  }

  Marked mark_spaces(std::string_view text, size_t offset, bool prefix) const {
    Marked marked;
    const auto add = [&](std::string_view character, size_t origin) {
      const size_t begin = marked.text.size();
      marked.text += character;
      marked.symbols.push_back({-1, begin, marked.text.size()});
      marked.origins.push_back(origin);
    };
    if (prefix) add(space_mark, offset);
    for (size_t at = 0; at < text.size();) {
      const size_t length = std::max<size_t>(utf8_length(text, at), 1);  // a bad byte stands for itself
      add(text[at] == ' ' ? space_mark : text.substr(at, length), offset + at);
      at += length;
    }
    return marked;
  }

  // Where no piece goes on over a space, words are merged each for itself: the same tokens, without a heap over all.
  void encode_plain(std::string_view text, size_t offset, bool prefix, std::vector<Piece>& out) const {
    for (size_t begin = 0, end; begin < text.size(); begin = end) {
      end = words_are_apart_ ? word_end(text, begin) : text.size();
      encode_word(text.substr(begin, end - begin), offset + begin, prefix && begin == 0, out);
    }
  }

  // The next space after something that is no space.
  static size_t word_end(std::string_view text, size_t begin) {
    for (size_t end = begin + 1; (end = text.find(' ', end)) < text.size(); ++end)
      if (text[end - 1] != ' ' && !text.substr(0, end).ends_with(space_mark)) return end;
    return text.size();
  }

  void encode_word(std::string_view text, size_t offset, bool prefix, std::vector<Piece>& out) const {
    Marked marked = mark_spaces(text, offset, prefix);
    const std::string_view view = marked.text;
    for (Symbol& symbol : marked.symbols) symbol.id = find(view.substr(symbol.begin, symbol.end - symbol.begin));
    link_symbols(marked.symbols);
    merge_symbols(std::span(marked.symbols), [&](const Symbol& left, const Symbol& right) -> std::optional<Merge> {
      if (!merges_.empty()) {
        const auto found = merges_.find(pair_key(left.id, right.id));
        return found == merges_.end() ? std::nullopt : std::optional(found->second);
      }
      const int32_t id = find(view.substr(left.begin, right.end - left.begin));
      if (id < 0) return std::nullopt;
      return Merge{-scores_[id], id};
    });
    for (size_t i = 0; i != no_symbol; i = marked.symbols[i].next) {
      const Symbol& symbol = marked.symbols[i];
      const size_t end = symbol.next == no_symbol ? offset + text.size() : marked.origins[symbol.next];
      if (symbol.id >= 0) {
        out.push_back({symbol.id, marked.origins[i], end});
      } else {
        fall_back(view.substr(symbol.begin, symbol.end - symbol.begin), marked.origins[i], end, out);
      }
    }
  }

  // A character without a piece: its bytes if the vocabulary has them all, else the unknown token, else nothing.
  void fall_back(std::string_view character, size_t begin, size_t end, std::vector<Piece>& out) const {
    bool has_bytes = true;
    for (const char byte : character) has_bytes = has_bytes && byte_ids_[uint8_t(byte)] >= 0;
    if (!has_bytes) {
      if (unk) out.push_back({*unk, begin, end});
      return;
    }
    for (size_t i = 0; i < character.size(); ++i) {
      const bool last = i + 1 == character.size();
      out.push_back(
          {byte_ids_[uint8_t(character[i])], std::min(begin + i, end), last ? end : std::min(begin + i + 1, end)});
    }
  }

  int32_t find(std::string_view piece) const {
    if (piece.size() > longest_) return -1;
    const auto found = index_.find(piece);
    return found == index_.end() ? -1 : found->second;
  }

  std::vector<double> scores_;
  std::array<int32_t, 256> byte_ids_{};
  std::unordered_map<std::string_view, int32_t> index_;
  std::unordered_map<uint64_t, Merge> merges_;  // of a file that lists them; else pieces merge by score
  size_t longest_ = 0;
  bool words_are_apart_ = true;
};

}  // namespace

std::shared_ptr<const Tokenizer> make_sentencepiece_bpe(const io::Metadata& metadata) {
  return std::make_shared<const SentencePieceBpe>(metadata);
}

}  // namespace ken::text
