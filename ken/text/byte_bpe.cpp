// Byte-level BPE (Radford et al. 2019, GPT-2): text is cut into words, each word's bytes are merged by learned rank.
// Bytes that are not UTF-8 become words of one byte, so every input survives encode and decode unchanged.
#include <mutex>
#include <shared_mutex>
#include <unordered_map>

#include "ken/base/error.h"
#include "ken/text/bytes.h"
#include "ken/text/kinds.h"
#include "ken/text/merge.h"
#include "ken/text/pipeline.h"

namespace ken::text {
namespace {

struct Part {
  int32_t id;
  uint32_t length;  // bytes of text
};

struct TextHash {
  using is_transparent = void;
  size_t operator()(std::string_view text) const { return std::hash<std::string_view>{}(text); }
};

// Words seen before. Natural text repeats words, so that almost every word is a hit; emptied when full.
class WordCache {
 public:
  bool get(std::string_view word, std::vector<Part>& parts) const {
    if (word.size() > longest) return false;
    std::shared_lock lock(mutex_);
    const auto found = words_.find(word);
    if (found == words_.end()) return false;
    parts = found->second;
    return true;
  }
  void put(std::string_view word, const std::vector<Part>& parts) {
    if (word.size() > longest) return;
    std::unique_lock lock(mutex_);
    if (words_.size() >= most) words_.clear();
    words_.emplace(word, parts);
  }

 private:
  static constexpr size_t longest = 64, most = 1 << 15;
  mutable std::shared_mutex mutex_;
  std::unordered_map<std::string, std::vector<Part>, TextHash, std::equal_to<>> words_;
};

class ByteBpe final : public PieceTokenizer {
 public:
  explicit ByteBpe(const io::Metadata& metadata) {
    const std::string name = metadata.text("tokenizer.ggml.pre", "gpt-2");
    const PreTokenizerRow row = name == own_steps ? PreTokenizerRow{} : find_pre_tokenizer(name);
    const auto types = read_vocabulary(*this, metadata, row.add_bos, false);
    pipeline_.emplace(metadata, *this, types, PreTokenizer(row.patterns));
    if (add_space_prefix && !Pipeline::is_in(metadata)) pipeline_->put_space_first();
    read_bytes(types);
    const auto index = index_pieces(types, metadata.flag("tokenizer.ken.whole_words", row.whole_words));
    find_byte_ids(index);
    read_merges(index, metadata.texts("tokenizer.ggml.merges"));
  }

 private:
  using Index = std::unordered_map<std::string_view, int32_t>;

  void read_bytes(const std::vector<TokenType>& types) {
    bytes_ = pieces;  // added tokens stand as plain text, and so does a piece with characters outside the alphabet
    for (size_t i = 0; i < pieces.size(); ++i) {
      if (types[i] == TokenType::control || types[i] == TokenType::user_defined) continue;
      if (auto bytes = from_byte_alphabet(pieces[i])) bytes_[i] = std::move(*bytes);
    }
  }

  // Piece -> id of the tokens that merges may make; of equal pieces the first id stands.
  Index index_pieces(const std::vector<TokenType>& types, bool whole_words) {
    Index index;
    for (size_t i = 0; i < pieces.size(); ++i) {
      if (types[i] == TokenType::control || types[i] == TokenType::unknown) continue;
      index.emplace(pieces[i], int32_t(i));
      if (types[i] == TokenType::normal && whole_words) whole_.emplace(bytes_[i], int32_t(i));
    }
    return index;
  }

  void find_byte_ids(const Index& index) {
    for (int byte = 0; byte < 256; ++byte) {
      const auto found = index.find(byte_alphabet()[byte]);
      byte_ids_[byte] = found == index.end() ? -1 : found->second;
    }
  }

  void read_merges(const Index& index, const std::vector<std::string>& merges) {
    for (size_t rank = 0; rank < merges.size(); ++rank) {
      const std::string& merge = merges[rank];
      const size_t space = merge.find(' ', 1);
      if (space == std::string::npos || space + 1 == merge.size())
        fail("tokenizer", "tokenizer.ggml.merges: merge {} is not two tokens with a space between; the file is damaged",
             rank);
      const std::string left = merge.substr(0, space), right = merge.substr(space + 1);
      const auto l = index.find(left), r = index.find(right), both = index.find(left + right);
      if (l == index.end() || r == index.end() || both == index.end())
        fail("tokenizer",
             "tokenizer.ggml.merges: merge {} needs a token that the vocabulary lacks; the file is damaged", rank);
      merges_.try_emplace(pair_key(l->second, r->second), Merge{double(rank), both->second});
    }
  }

  std::vector<Piece> run(std::string_view text, bool parse_special) const override {
    return pipeline_->pieces(text, parse_special,
                             [&](auto& from, auto word, auto& out) { encode_word(from, word, out); });
  }

  void encode_word(const MappedText& text, std::string_view word, std::vector<Piece>& out) const {
    std::vector<Part> parts;
    if (!cache_.get(word, parts)) {
      parts = merge_word(word);
      cache_.put(word, parts);
    }
    size_t at = text.place_of(word);
    for (const Part& part : parts) {
      if (part.id >= 0) out.push_back({part.id, text.origin(at), text.origin(at + part.length)});
      at += part.length;
    }
  }

  std::vector<Part> merge_word(std::string_view word) const {
    if (const auto whole = whole_.find(word); whole != whole_.end()) return {{whole->second, uint32_t(word.size())}};
    std::vector<Symbol> symbols(word.size());
    for (size_t i = 0; i < word.size(); ++i) symbols[i] = {byte_ids_[uint8_t(word[i])], i, i + 1};
    link_symbols(symbols);
    merge_symbols(symbols, [&](const Symbol& left, const Symbol& right) -> std::optional<Merge> {
      const auto found = merges_.find(pair_key(left.id, right.id));
      if (found == merges_.end()) return std::nullopt;
      return found->second;
    });
    std::vector<Part> parts;
    for (size_t i = 0; i != no_symbol; i = symbols[i].next) {
      const int32_t id = symbols[i].id;
      parts.push_back({id < 0 ? unk.value_or(-1) : id, uint32_t(symbols[i].end - symbols[i].begin)});
    }
    return parts;
  }

  std::optional<Pipeline> pipeline_;
  std::array<int32_t, 256> byte_ids_{};  // -1: the vocabulary has no such byte
  std::unordered_map<uint64_t, Merge> merges_;
  Index whole_;
  mutable WordCache cache_;
};

}  // namespace

std::shared_ptr<const Tokenizer> make_byte_bpe(const io::Metadata& metadata) {
  return std::make_shared<const ByteBpe>(metadata);
}

}  // namespace ken::text
