// A reader of the few fields of SentencePiece's ModelProto (sentencepiece_model.proto) that decide how text is cut.
// Protobuf's wire format is fields of (number, type, value) one after another; unknown ones are passed over. Every
// length is checked against what is left.
#include "ken/text/sentencepiece_model.h"

#include <cstring>
#include <optional>

#include "ken/base/error.h"
#include "ken/text/bytes.h"
#include "ken/text/kinds.h"

namespace ken::text {
namespace {

constexpr size_t most_pieces = size_t{1} << 24, most_rule_bytes = size_t{1} << 24;

struct Field {
  uint32_t number = 0;
  uint64_t value = 0;     // of a number
  std::string_view text;  // of a string, bytes or a message
  bool flag() const { return value != 0; }
};

class Fields {
 public:
  Fields(std::string_view bytes, const char* message) : rest_(bytes), message_(message) {}

  std::optional<Field> next() {
    if (rest_.empty()) return std::nullopt;
    const uint64_t tag = varint();
    Field field{.number = uint32_t(tag >> 3), .value = 0, .text = {}};
    const uint64_t kind = tag & 7;
    if (kind == 0)
      field.value = varint();
    else if (kind == 2)
      field.text = take(varint());
    else if (kind == 1 || kind == 5)
      field.text = take(kind == 1 ? 8 : 4);
    else
      damaged("a field of an unknown kind");
    return field;
  }

  [[noreturn]] void damaged(const char* what) const {
    fail("tokenizer", "tokenizer.model: {} has {}; the file is damaged, or no SentencePiece model", message_, what);
  }

 private:
  uint64_t varint() {
    uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      const uint8_t byte = uint8_t(take(1)[0]);
      value |= uint64_t(byte & 0x7f) << shift;
      if (!(byte & 0x80)) return value;
    }
    damaged("a number of more than 64 bits");
  }
  std::string_view take(uint64_t size) {
    if (size > rest_.size()) damaged("a field that goes beyond its end");
    const std::string_view taken = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return taken;
  }

  std::string_view rest_;
  const char* message_;
};

class ModelReader {
 public:
  explicit ModelReader(std::string_view bytes) {
    Fields fields(bytes, "the model");
    while (const auto field = fields.next()) {
      if (field->number == 1) read_piece(field->text);
      if (field->number == 2) read_trainer(field->text);
      if (field->number == 3) read_normalizer(field->text);
    }
    if (tokens_.empty()) fields.damaged("no pieces");
  }

  io::Metadata metadata() {
    if (type_ != 1 && type_ != 2)
      fail("tokenizer", "tokenizer.model: the model type {} is not supported; known are 1 (unigram) and 2 (BPE)",
           type_);
    put("model", std::string(type_ == 1 ? "t5" : "llama"));
    put("pre", std::string("default"));
    put_id("bos_token_id", bos_, TokenType::control);
    put_id("eos_token_id", eos_, TokenType::control);
    put_id("padding_token_id", pad_, TokenType::control);
    put_id("unknown_token_id", unknown_, TokenType::unknown);
    put("add_space_prefix", prefix_);
    put("remove_extra_whitespaces", removes_spaces_);
    if (!rules_.empty()) put("precompiled_charsmap", std::vector<int64_t>(rules_.begin(), rules_.end()));
    if (!escapes_) metadata_.values["tokenizer.ken.escape_whitespaces"] = false;
    if (suffix_) metadata_.values["tokenizer.ken.space_suffix"] = true;
    put("tokens", std::move(tokens_));
    put("scores", std::move(scores_));
    put("token_type", std::move(types_));
    return std::move(metadata_);
  }

 private:
  template <typename T>
  void put(const std::string& key, T value) {
    metadata_.values["tokenizer.ggml." + key] = std::move(value);
  }
  void put_id(const std::string& key, const std::string& piece, TokenType type) {
    for (size_t i = 0; i < tokens_.size(); ++i)
      if (types_[i] == int64_t(type) && tokens_[i] == piece) return put(key, int64_t(i));
  }

  void read_piece(std::string_view bytes) {
    Fields fields(bytes, "a piece");
    std::string piece;
    float score = 0;
    uint64_t type = 1;
    while (const auto field = fields.next()) {
      if (field->number == 1) piece = field->text;
      if (field->number == 2) std::memcpy(&score, number_bytes(fields, field->text), sizeof score);
      if (field->number == 3) type = field->value;
    }
    if (piece.empty()) fields.damaged("no text");
    if (type < 1 || type > 6) fields.damaged("an unknown type");
    if (tokens_.size() >= most_pieces)
      fail("tokenizer", "tokenizer.model has more than {} pieces; it is refused", most_pieces);
    // User-defined tokens stand as text has them, as in GGUF.
    tokens_.push_back(type == uint64_t(TokenType::user_defined) ? unmark_spaces(piece) : std::move(piece));
    scores_.push_back(double(score));
    types_.push_back(int64_t(type));
  }

  static const char* number_bytes(const Fields& fields, std::string_view bytes) {
    if (bytes.size() != sizeof(float)) fields.damaged("a score that is no number");
    return bytes.data();
  }

  void read_trainer(std::string_view bytes) {
    Fields fields(bytes, "the trainer's settings");
    while (const auto field = fields.next()) {
      if (field->number == 3) type_ = field->value;
      if (field->number == 24) suffix_ = field->flag();
      if (field->number == 45) unknown_ = field->text;
      if (field->number == 46) bos_ = field->text;
      if (field->number == 47) eos_ = field->text;
      if (field->number == 48) pad_ = field->text;
    }
  }

  void read_normalizer(std::string_view bytes) {
    Fields fields(bytes, "the normaliser's settings");
    while (const auto field = fields.next()) {
      if (field->number == 2) rules_ = field->text;
      if (field->number == 3) prefix_ = field->flag();
      if (field->number == 4) removes_spaces_ = field->flag();
      if (field->number == 5) escapes_ = field->flag();
    }
    if (rules_.size() > most_rule_bytes)
      fail("tokenizer", "tokenizer.model: the normalisation rules take {} bytes; at most {} are read", rules_.size(),
           most_rule_bytes);
  }

  io::Metadata metadata_;
  std::vector<std::string> tokens_;
  std::vector<double> scores_;
  std::vector<int64_t> types_;
  uint64_t type_ = 1;
  bool prefix_ = true, removes_spaces_ = true, escapes_ = true, suffix_ = false;
  std::string_view rules_;
  std::string unknown_ = "<unk>", bos_ = "<s>", eos_ = "</s>", pad_ = "<pad>";
};

}  // namespace

io::Metadata sentencepiece_metadata(std::string_view bytes) { return ModelReader(bytes).metadata(); }

}  // namespace ken::text
