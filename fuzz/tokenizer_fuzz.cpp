// Tokenizers under libFuzzer: the first bytes make a small vocabulary, the rest is text. Any vocabulary may be refused,
// but none may crash; an accepted one must cover the text, and give it back if it has every byte.
#include <cstdlib>
#include <string>

#include "ken/base/error.h"
#include "ken/io/tensors.h"
#include "ken/text/bytes.h"
#include "ken/text/tokenizer.h"

namespace {

using namespace ken;

class Input {
 public:
  Input(const uint8_t* data, size_t size) : rest_(reinterpret_cast<const char*>(data), size) {}
  uint8_t byte() {
    if (rest_.empty()) return 0;
    const uint8_t first = uint8_t(rest_[0]);
    rest_.remove_prefix(1);
    return first;
  }
  std::string text(size_t length) {
    const std::string taken(rest_.substr(0, length));
    rest_.remove_prefix(taken.size());
    return taken;
  }
  std::string_view rest() const { return rest_; }

 private:
  std::string_view rest_;
};

struct Vocabulary {
  std::vector<std::string> pieces, merges;
  std::vector<int64_t> types;
  std::vector<double> scores;
  void add(std::string piece, int64_t type, double score) {
    pieces.push_back(std::move(piece));
    types.push_back(type);
    scores.push_back(score);
  }
};

void add_bytes(Vocabulary& vocabulary, bool byte_level) {
  for (int byte = 0; byte < 256; ++byte)
    byte_level ? vocabulary.add(text::byte_alphabet()[byte], 1, 0)
               : vocabulary.add(fmt::format("<0x{:02X}>", byte), 6, 0);
  if (!byte_level) vocabulary.add("\xe2\x96\x81", 1, 0);
}

// Pieces of up to 15 bytes; a byte-level piece also gives one merge, which may or may not be possible.
void add_pieces(Vocabulary& vocabulary, Input& input, bool byte_level) {
  for (int n = input.byte() % 32; n > 0; --n) {
    const uint8_t head = input.byte(), score = input.byte();
    const std::string bytes = input.text(head & 15);
    const int64_t type = head >> 4 & 7;
    const bool spelled = byte_level && type != 3 && type != 4;
    vocabulary.add(spelled ? text::to_byte_alphabet(bytes) : bytes, type, score == 255 ? NAN : -double(score));
    if (!spelled || bytes.size() < 2) continue;
    const size_t cut = 1 + score % (bytes.size() - 1);
    vocabulary.merges.push_back(text::to_byte_alphabet(bytes.substr(0, cut)) + " " +
                                text::to_byte_alphabet(bytes.substr(cut)));
  }
}

io::Metadata read_metadata(Input& input, bool& complete) {
  static const std::string pres[] = {"gpt-2", "llama-bpe", "qwen2", "smollm", "gpt-4o", "tekken", "deepseek-v3", "no"};
  const uint8_t flags = input.byte(), pre = input.byte();
  const bool byte_level = flags & 1;
  complete = flags & 2;
  Vocabulary vocabulary;
  if (complete) add_bytes(vocabulary, byte_level);
  add_pieces(vocabulary, input, byte_level);
  io::Metadata metadata;
  auto& values = metadata.values;
  const bool unigram = !byte_level && flags & 16;
  complete = complete && !unigram;  // which reads bytes that are not UTF-8 as U+FFFD
  values["tokenizer.ggml.model"] = std::string(byte_level ? "gpt2" : unigram ? "t5" : flags & 32 ? "bert" : "llama");
  complete = complete && !(flags & 32);
  values["tokenizer.ggml.remove_extra_whitespaces"] = bool(flags & 64);
  complete = complete && !(flags & 64);
  values["tokenizer.ggml.pre"] = pres[pre % 8];
  values["tokenizer.ggml.tokens"] = vocabulary.pieces;
  values["tokenizer.ggml.token_type"] = vocabulary.types;
  values["tokenizer.ggml.scores"] = vocabulary.scores;
  values["tokenizer.ggml.merges"] = vocabulary.merges;
  values["tokenizer.ggml.add_space_prefix"] = bool(flags & 4);
  if (flags & 8) values["tokenizer.ggml.unknown_token_id"] = int64_t(pre);
  return metadata;
}

void require(bool held) {
  if (!held) std::abort();
}

void check(const text::Tokenizer& tokenizer, std::string_view text, bool complete) {
  const std::string decoded = tokenizer.decode(tokenizer.encode(text));
  tokenizer.decode(tokenizer.encode(text, true));
  const bool has_mark = text.find("\xe2\x96\x81") != text.npos;  // SentencePiece reads it as a space
  if (complete && !has_mark) require(decoded.size() <= text.size() + 3 && decoded.ends_with(text));
  size_t end = 0;
  const auto pieces = tokenizer.encode_with_offsets(text);
  for (const auto& piece : pieces) {
    require(piece.begin == end && piece.end >= piece.begin);
    end = piece.end;
  }
  require(pieces.empty() || end == text.size());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Input input(data, size);
  bool complete = false;
  const io::Metadata metadata = read_metadata(input, complete);
  std::shared_ptr<const text::Tokenizer> tokenizer;
  try {
    tokenizer = text::tokenizer_from_gguf(metadata);
  } catch (const Error&) {
    return 0;
  }
  check(*tokenizer, input.rest(), complete);
  return 0;
}
