// The unigram language model (Kudo 2018): of all ways to cut a text into pieces, the one whose scores add up highest,
// found by Viterbi over the pieces that begin at each character. A character that is no piece costs ten more than the
// worst piece. Sums are kept as SentencePiece keeps them (32 bits), or as Hugging Face does (64 bits) for a file from
// there, so that ties fall alike; of equal sums the cut that was found first stands.
#include <algorithm>
#include <limits>

#include "ken/base/error.h"
#include "ken/text/bytes.h"
#include "ken/text/kinds.h"
#include "ken/text/pipeline.h"
#include "ken/text/sentencepiece_text.h"
#include "ken/text/trie.h"

namespace ken::text {
namespace {

constexpr double unknown_penalty = 10;

class Unigram final : public PieceTokenizer {
 public:
  explicit Unigram(const io::Metadata& metadata) {
    const auto types = read_vocabulary(*this, metadata, false, false);
    for (size_t i = 0; i < types.size() && !unk; ++i)
      if (types[i] == TokenType::unknown) unk = int32_t(i);
    fallback_ = {read_byte_ids(*this, types), unk, true};
    scores_ = read_scores(*this, metadata);
    exact_ = Pipeline::is_in(metadata);
    read_pieces(types);
    exact_ ? void(pipeline_.emplace(metadata, *this, types, PreTokenizer()))
           : void(text_.emplace(metadata, *this, types, false));
  }

 private:
  void read_pieces(const std::vector<TokenType>& types) {
    std::vector<std::pair<std::string_view, int32_t>> entries;
    double lowest = std::numeric_limits<float>::max(), highest = std::numeric_limits<float>::min();
    bytes_ = pieces;
    for (size_t i = 0; i < pieces.size(); ++i) {
      if (types[i] == TokenType::byte) bytes_[i] = std::string(1, char(*byte_of_piece(pieces[i])));
      if (types[i] == TokenType::normal || types[i] == TokenType::user_defined) bytes_[i] = unmark_spaces(pieces[i]);
      if (types[i] == TokenType::normal || exact_) {
        lowest = std::min(lowest, scores_[i]);
        highest = std::max(highest, scores_[i]);
      }
      if (types[i] == TokenType::normal) entries.emplace_back(pieces[i], int32_t(i));
    }
    if (!exact_) add_user_defined(types, highest, entries);
    unknown_score_ = exact_ ? lowest - unknown_penalty : double(float(lowest) - float(unknown_penalty));
    trie_ = Trie(std::move(entries));
  }

  // They are scored so high that they are always chosen. marked_ holds them as they stand in the text.
  void add_user_defined(const std::vector<TokenType>& types, double highest,
                        std::vector<std::pair<std::string_view, int32_t>>& entries) {
    for (size_t i = 0; i < pieces.size(); ++i) {
      if (types[i] != TokenType::user_defined) continue;
      marked_.push_back(std::make_unique<const std::string>(mark_spaces(pieces[i])));
      scores_[i] = double(float(marked_.back()->size()) * float(highest)) - 0.1;
      entries.emplace_back(*marked_.back(), int32_t(i));
    }
  }

  std::vector<Piece> run(std::string_view text, bool parse_special) const override {
    if (pipeline_)
      return pipeline_->pieces(text, parse_special,
                               [&](auto& from, auto word, auto& out) { encode_word(from, word, out); });
    return text_->pieces(text, parse_special, [&](auto& part, auto& out) { encode_word(part, part.text, out); });
  }

  struct Node {
    double score = 0;  // of the best way to here
    size_t begin = SIZE_MAX;
    int32_t id = -1;  // of its last piece; -1: a character that is none
  };

  void offer(Node& node, double score, double sum, size_t begin, int32_t id) const {
    if (node.begin != SIZE_MAX && !(sum > node.score)) return;
    node = {score, begin, id};
  }

  void encode_word(const MappedText& text, std::string_view word, std::vector<Piece>& out) const {
    if (word.empty()) return;
    std::vector<Node> nodes(word.size() + 1);
    for (size_t at = 0; at < word.size();) {
      const size_t length = std::max<size_t>(utf8_length(word, at), 1);
      extend(word, at, length, nodes);
      at += length;
    }
    std::vector<std::pair<size_t, int32_t>> path;  // where a piece begins, and which it is; from the end
    for (size_t end = word.size(); end > 0; end = nodes[end].begin) path.emplace_back(nodes[end].begin, nodes[end].id);
    const size_t place = text.place_of(word), first = out.size();
    for (size_t i = path.size(); i-- > 0;) {
      const size_t from = path[i].first, to = i ? path[i - 1].first : word.size();
      const size_t begin = text.origin(place + from), end = text.origin(place + to);
      if (path[i].second >= 0) {
        out.push_back({path[i].second, begin, end});
      } else {
        fallback_.put(word.substr(from, to - from), begin, end, out, first);
      }
    }
  }

  // Offers each piece that begins at `at` to the node where it ends.
  void extend(std::string_view word, size_t at, size_t length, std::vector<Node>& nodes) const {
    const double here = nodes[at].score;
    bool whole_character = false;
    uint32_t node = trie_.root();
    for (size_t end = at; end < word.size();) {
      node = trie_.next(node, uint8_t(word[end++]));
      if (node == Trie::none) break;
      const int32_t id = trie_.id(node);
      if (id < 0) continue;
      const double sum = here + scores_[size_t(id)];
      offer(nodes[end], exact_ ? sum : double(float(sum)), sum, at, id);
      whole_character = whole_character || end - at == length;
    }
    if (whole_character) return;
    const double sum = exact_ ? here + unknown_score_ : double(float(here) + float(unknown_score_));
    offer(nodes[at + length], sum, sum, at, -1);
  }

  std::vector<double> scores_;
  std::vector<std::unique_ptr<const std::string>> marked_;
  Trie trie_;
  Fallback fallback_;
  std::optional<Pipeline> pipeline_;  // of a file that has steps of its own, else text_
  std::optional<SentencePieceText> text_;
  double unknown_score_ = 0;
  bool exact_ = false;
};

}  // namespace

std::shared_ptr<const Tokenizer> make_unigram(const io::Metadata& metadata) {
  return std::make_shared<const Unigram>(metadata);
}

}  // namespace ken::text
