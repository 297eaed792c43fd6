// Learns a byte-level BPE on words (Sennrich et al. 2016): again and again the most frequent neighbours become a token.
// Differs in its end: merging goes on until every word is one token. Words are kept in the state that encode() would
// give them with the merges so far, so that the trained vocabulary encodes exactly as it was trained.
#include <algorithm>
#include <map>
#include <queue>
#include <set>
#include <unordered_map>

#include "ken/base/error.h"
#include "ken/base/select.h"
#include "ken/text/bytes.h"
#include "ken/text/merge.h"
#include "ken/text/tokenizer.h"

namespace ken::text {
namespace {

constexpr uint64_t most_seen = uint64_t{1} << 40;  // a count above this is this: sums stay far from 2^64

struct Word {
  std::vector<int32_t> ids;
  uint64_t count;
};

struct PairUse {
  uint64_t count = 0;
  std::vector<uint32_t> words;  // in which the pair stands or once stood
};

uint64_t key_of(int32_t left, int32_t right) { return uint64_t(uint32_t(left)) << 32 | uint32_t(right); }

class Trainer {
 public:
  Trainer(const std::vector<std::string>& specials, size_t max_vocab) : max_vocab_(max_vocab) {
    for (const uint8_t byte : byte_alphabet_order()) {
      byte_ids_[byte] = add_token(std::string(1, char(byte)));
      add_piece(byte_alphabet()[byte], 1);
    }
    for (const std::string& special : specials) add_special(special);
    if (vocab_.tokens.size() > max_vocab)
      fail_usage("train_bpe", "max_vocab is {}, but 256 bytes and {} specials need {}", max_vocab, specials.size(),
                 vocab_.tokens.size());
  }

  void add_words(const std::vector<std::pair<std::string, uint64_t>>& words) {
    std::map<std::string, uint64_t> counts;
    for (const auto& [text, count] : words) {
      for (const std::string& special : specials_)
        if (text.find(special) != std::string::npos)
          fail_usage("train_bpe", "the word '{}' contains the special '{}'; leave it out", text, special);
      uint64_t& sum = counts[text];
      sum = std::min(most_seen, sum + std::clamp<uint64_t>(count, 1, most_seen));
    }
    for (const auto& [text, count] : counts) {
      Word word{{}, count};
      for (const char byte : text) word.ids.push_back(byte_ids_[uint8_t(byte)]);
      words_.push_back(std::move(word));
      count_pairs(uint32_t(words_.size() - 1), true);
    }
    seen_.assign(words_.size(), 0);
    queue_changed();
  }

  BpeVocab run() {
    while (!queue_.empty()) {
      const Candidate best = queue_.top();
      queue_.pop();
      const auto use = uses_.find(best.key);
      if (use == uses_.end() || use->second.count != best.count) continue;  // an old count; the new one is queued, too
      if (!add_merge(int32_t(best.key >> 32), int32_t(uint32_t(best.key)))) break;
      apply(std::move(use->second.words));
    }
    return std::move(vocab_);
  }

 private:
  struct Candidate {
    uint64_t count, key;
    const std::string *left, *right;  // bytes: they break ties
    bool operator<(const Candidate& other) const {
      if (count != other.count) return count < other.count;
      if (const int order = left->compare(*other.left)) return order > 0;
      return right->compare(*other.right) > 0;
    }
  };

  // Bytes -> id; one token per text, however it was merged.
  int32_t add_token(std::string bytes) {
    const auto [place, is_new] = id_of_.try_emplace(std::move(bytes), int32_t(vocab_.tokens.size()));
    if (is_new) bytes_.push_back(&place->first);
    return place->second;
  }

  void add_piece(std::string piece, int type) {
    vocab_.tokens.push_back(std::move(piece));
    vocab_.types.push_back(type);
  }

  void add_special(const std::string& special) {
    const auto& tokens = vocab_.tokens;
    if (special.empty() || !is_utf8(special) || is_in(special, tokens))
      fail_usage("train_bpe", "the special '{}' is empty, not UTF-8, or a token already", special);
    specials_.push_back(special);
    bytes_.push_back(nullptr);  // never part of a pair
    add_piece(special, 3);
  }

  // False when the vocabulary is full.
  bool add_merge(int32_t left, int32_t right) {
    std::string bytes = *bytes_[left] + *bytes_[right];
    if (!id_of_.count(bytes)) {
      if (vocab_.tokens.size() >= max_vocab_) return false;
      add_token(bytes);
      add_piece(to_byte_alphabet(bytes), 1);
    }
    merges_.emplace(key_of(left, right), Merge{double(vocab_.merges.size()), id_of_.at(bytes)});
    vocab_.merges.push_back(vocab_.tokens[left] + " " + vocab_.tokens[right]);
    return true;
  }

  // Brings the words that have the new pair up to date.
  void apply(std::vector<uint32_t> words) {
    ++step_;
    for (const uint32_t word : words) {
      if (seen_[word] == step_) continue;
      seen_[word] = step_;
      count_pairs(word, false);
      merge(words_[word].ids);
      count_pairs(word, true);
    }
    queue_changed();
  }

  void merge(std::vector<int32_t>& ids) const {
    std::vector<Symbol> symbols(ids.size());
    for (size_t i = 0; i < ids.size(); ++i) symbols[i] = {ids[i], i, i + 1};
    link_symbols(symbols);
    merge_symbols(std::span(symbols), [&](const Symbol& left, const Symbol& right) -> std::optional<Merge> {
      const auto found = merges_.find(key_of(left.id, right.id));
      if (found == merges_.end()) return std::nullopt;
      return found->second;
    });
    ids.clear();
    for (size_t i = 0; i != no_symbol && i < symbols.size(); i = symbols[i].next) ids.push_back(symbols[i].id);
  }

  void count_pairs(uint32_t index, bool add) {
    const Word& word = words_[index];
    for (size_t i = 0; i + 1 < word.ids.size(); ++i) {
      const uint64_t key = key_of(word.ids[i], word.ids[i + 1]);
      PairUse& use = uses_[key];
      if (add) {
        use.count += word.count;
        if (use.words.empty() || use.words.back() != index) use.words.push_back(index);
      } else {
        use.count -= word.count;
      }
      changed_.insert(key);
    }
  }

  void queue_changed() {
    for (const uint64_t key : changed_) {
      const auto use = uses_.find(key);
      if (use->second.count == 0) {
        uses_.erase(use);
      } else {
        queue_.push({use->second.count, key, bytes_[key >> 32], bytes_[uint32_t(key)]});
      }
    }
    changed_.clear();
  }

  size_t max_vocab_;
  BpeVocab vocab_;
  std::vector<std::string> specials_;
  std::map<std::string, int32_t> id_of_;   // a map: addresses of its keys stay
  std::vector<const std::string*> bytes_;  // id -> bytes
  std::array<int32_t, 256> byte_ids_{};
  std::unordered_map<uint64_t, Merge> merges_;
  std::vector<Word> words_;
  std::unordered_map<uint64_t, PairUse> uses_;
  std::set<uint64_t> changed_;
  std::priority_queue<Candidate> queue_;
  std::vector<uint32_t> seen_;  // the last step that touched a word
  uint32_t step_ = 0;
};

}  // namespace

BpeVocab train_bpe(const std::vector<std::pair<std::string, uint64_t>>& words, const std::vector<std::string>& specials,
                   size_t max_vocab) {
  Trainer trainer(specials, max_vocab);
  trainer.add_words(words);
  return trainer.run();
}

}  // namespace ken::text
