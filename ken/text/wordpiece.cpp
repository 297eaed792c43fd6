// WordPiece (Schuster and Nakajima 2012; BERT): a word is cut from the left into the longest pieces of the vocabulary;
// where none fits, the whole word is the unknown token. Two forms of a vocabulary are read: BERT's own, where a piece
// inside a word begins with "##", and GGUF's, where a piece at the beginning of a word begins with U+2581.
#include <algorithm>

#include "ken/base/error.h"
#include "ken/text/bytes.h"
#include "ken/text/kinds.h"
#include "ken/text/pipeline.h"
#include "ken/text/trie.h"

namespace ken::text {
namespace {

bool is_bracketed(std::string_view piece) { return piece.size() > 1 && piece.front() == '[' && piece.back() == ']'; }

// Blanks that writing would not have, taken from one piece, as Hugging Face's decoder does.
std::string cleaned(std::string piece) {
  static constexpr std::pair<std::string_view, std::string_view> rules[] = {
      {" .", "."},   {" ?", "?"},           {" !", "!"},   {" ,", ","},     {" ' ", "'"},    {" n't", "n't"},
      {" 'm", "'m"}, {" do not", " don't"}, {" 's", "'s"}, {" 've", "'ve"}, {" 're", "'re"},
  };
  for (const auto& [from, to] : rules)
    for (size_t at = 0; (at = piece.find(from, at)) != piece.npos; at += to.size()) piece.replace(at, from.size(), to);
  return piece;
}

class WordPiece final : public PieceTokenizer {
 public:
  explicit WordPiece(const io::Metadata& metadata) {
    const auto types = read_vocabulary(*this, metadata, true, false);
    for (size_t i = 0; i < types.size() && !unk; ++i)
      if (types[i] == TokenType::unknown || pieces[i] == "[UNK]") unk = int32_t(i);
    longest_word_ = metadata.integer("tokenizer.ken.max_input_chars_per_word", 0);
    read_pieces(types, metadata.flag("tokenizer.ken.decode_cleanup", true));
    if (Pipeline::is_in(metadata)) {
      pipeline_.emplace(metadata, *this, types, PreTokenizer());
    } else {
      pipeline_.emplace(*this, types, Normalizer(bert_normalizer(metadata)),
                        PreTokenizer(Json{{"type", "BertPreTokenizer"}}));
    }
  }

  std::string decode(std::span<const int32_t> ids) const override {
    std::string text;
    for (size_t i = 0; i < ids.size(); ++i) {
      check_id(ids[i]);
      text += i ? bytes_[ids[i]] : starts_text_[ids[i]];
    }
    return text;
  }

 private:
  static Json bert_normalizer(const io::Metadata& metadata) {
    const bool lower = metadata.flag("tokenizer.ggml.normalizer.lowercase", true);
    return {{"type", "BertNormalizer"},
            {"lowercase", lower},
            {"strip_accents", metadata.flag("tokenizer.ggml.normalizer.strip_accents", lower)}};
  }

  void read_pieces(const std::vector<TokenType>& types, bool cleanup) {
    const bool marked = std::any_of(pieces.begin(), pieces.end(),
                                    [](const std::string& piece) { return piece.starts_with(space_mark); });
    std::vector<std::pair<std::string_view, int32_t>> starts, inner;
    for (size_t i = 0; i < pieces.size(); ++i) {
      std::string_view piece = pieces[i];
      const bool word = types[i] == TokenType::normal || types[i] == TokenType::unused;
      bool inside = word && (marked ? !piece.starts_with(space_mark) && !is_bracketed(piece) : piece.starts_with("##"));
      if (marked && piece.starts_with(space_mark)) piece.remove_prefix(space_mark.size());
      if (!marked && inside) piece.remove_prefix(2);
      if (word) (inside ? inner : starts).emplace_back(piece, int32_t(i));
      const std::string spoken = (inside ? "" : " ") + std::string(piece);
      bytes_.push_back(cleanup ? cleaned(spoken) : spoken);
      // The first piece of a text has no blank before it, and keeps its ##.
      const std::string first = inside && !marked ? pieces[i] : std::string(piece);
      starts_text_.push_back(cleanup ? cleaned(first) : first);
    }
    starts_ = Trie(std::move(starts));
    inner_ = Trie(std::move(inner));
  }

  std::vector<Piece> run(std::string_view text, bool parse_special) const override {
    return pipeline_->pieces(text, parse_special,
                             [&](auto& from, auto word, auto& out) { encode_word(from, word, out); });
  }

  // The longest piece that `rest` begins with: its id and length.
  static std::pair<int32_t, size_t> longest(const Trie& trie, std::string_view rest) {
    std::pair<int32_t, size_t> best{-1, 0};
    uint32_t node = trie.root();
    for (size_t i = 0; i < rest.size();) {
      node = trie.next(node, uint8_t(rest[i++]));
      if (node == Trie::none) break;
      if (trie.id(node) >= 0) best = {trie.id(node), i};
    }
    return best;
  }

  void encode_word(const MappedText& text, std::string_view word, std::vector<Piece>& out) const {
    const size_t first = out.size(), place = text.place_of(word);
    const auto unknown = [&] {
      out.resize(first);
      if (unk) out.push_back({*unk, text.origin(place), text.origin(place + word.size())});
    };
    if (!is_utf8(word)) return;  // a byte that BERT would have read as U+FFFD, which it removes
    const auto characters =
        std::count_if(word.begin(), word.end(), [](char byte) { return (uint8_t(byte) & 0xc0) != 0x80; });
    if (longest_word_ > 0 && characters > longest_word_) return unknown();
    for (size_t at = 0; at < word.size();) {
      const auto [id, length] = longest(at ? inner_ : starts_, word.substr(at));
      if (id < 0) return unknown();
      out.push_back({id, text.origin(place + at), text.origin(place + at + length)});
      at += length;
    }
  }

  std::optional<Pipeline> pipeline_;
  Trie starts_, inner_;
  std::vector<std::string> starts_text_;  // id -> what it decodes to at the beginning of a text
  int64_t longest_word_ = 0;              // 0: any
};

}  // namespace

std::shared_ptr<const Tokenizer> make_wordpiece(const io::Metadata& metadata) {
  return std::make_shared<const WordPiece>(metadata);
}

}  // namespace ken::text
