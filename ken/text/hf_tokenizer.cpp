// tokenizer.json of Hugging Face -> the tokenizer.ggml.* keys that every tokenizer is read from, so that a folder and
// the GGUF file made of it cut text alike. Kinds: byte-level BPE and SentencePiece BPE with its merges.
#include "ken/text/hf_tokenizer.h"

#include <algorithm>
#include <set>

#include "ken/base/error.h"
#include "ken/base/read_json.h"
#include "ken/text/bytes.h"
#include "ken/text/kinds.h"
#include "ken/text/pretokenizers.h"

namespace ken::text {
namespace {

constexpr size_t most_tokens = size_t{1} << 24;

const Json& member(const Json& object, const char* key) {
  static const Json none;
  if (!object.is_object()) return none;
  const auto found = object.find(key);
  return found == object.end() ? none : *found;
}
std::string text_of(const Json& object, const char* key, const std::string& standard = "") {
  const Json& value = member(object, key);
  return value.is_string() ? value.get<std::string>() : standard;
}
bool flag_of(const Json& object, const char* key, bool standard = false) {
  const Json& value = member(object, key);
  return value.is_boolean() ? value.get<bool>() : standard;
}

// A step, or the steps of a sequence of them.
std::vector<Json> steps_of(const Json& step, const char* list) {
  if (!step.is_object()) return {};
  const Json& steps = member(step, list);
  if (text_of(step, "type") != "Sequence" || !steps.is_array()) return {step};
  std::vector<Json> result;
  for (const Json& one : steps) {
    const auto inner = steps_of(one, list);
    result.insert(result.end(), inner.begin(), inner.end());
  }
  return result;
}
bool has_type(const std::vector<Json>& steps, const char* type) {
  return std::any_of(steps.begin(), steps.end(), [&](const Json& step) { return text_of(step, "type") == type; });
}

[[noreturn]] void refuse(const std::string& what) {
  fail("tokenizer", "tokenizer.json: {} is not supported; convert the model to GGUF with its own tools", what);
}

class Reader {
 public:
  Reader(const Json& json, const Json& config) : json_(json), config_(config), model_(member(json, "model")) {
    // Files of before 2021 leave the type out.
    if (const std::string type = text_of(model_, "type", "BPE"); type != "BPE") refuse("the model type '" + type + "'");
    before_ = steps_of(member(json, "pre_tokenizer"), "pretokenizers");
    normalizers_ = steps_of(member(json, "normalizer"), "normalizers");
    byte_level_ =
        has_type(before_, "ByteLevel") || has_type(steps_of(member(json, "decoder"), "decoders"), "ByteLevel");
  }

  io::Metadata read() {
    read_vocabulary();
    read_merges();
    byte_level_ ? read_pattern() : read_prefix();
    read_specials();
    put("tokens", tokens_);
    put("token_type", types_);
    return std::move(metadata_);
  }

 private:
  template <typename T>
  void put(const std::string& key, T value) {
    metadata_.values["tokenizer.ggml." + key] = std::move(value);
  }

  size_t id_of(const Json& id, const std::string& token) const {
    if (!id.is_number_integer() || id.get<int64_t>() < 0 || id.get<int64_t>() >= int64_t(most_tokens))
      fail("tokenizer", "tokenizer.json: token '{}' has the id {}; ids are 0 to {}", token, id.dump(), most_tokens - 1);
    return size_t(id.get<int64_t>());
  }
  void place(size_t id, const std::string& token, TokenType type) {
    if (id >= tokens_.size()) tokens_.resize(id + 1), types_.resize(id + 1, int64_t(TokenType::undefined));
    tokens_[id] = token;
    types_[id] = int64_t(type);
  }

  void read_vocabulary() {
    const Json& vocabulary = member(model_, "vocab");
    if (!vocabulary.is_object()) fail("tokenizer", "tokenizer.json: the model has no object 'vocab'");
    const std::string unknown = text_of(model_, "unk_token");
    const bool bytes = flag_of(model_, "byte_fallback");
    for (const auto& [token, id] : vocabulary.items()) {
      const bool byte = bytes && token.size() == 6 && token.starts_with("<0x") && token.ends_with(">");
      place(id_of(id, token), token,
            token == unknown && !byte_level_ ? TokenType::unknown
            : byte                           ? TokenType::byte
                                             : TokenType::normal);
    }
    const Json& added = member(json_, "added_tokens");
    for (const Json& token : added.is_array() ? added : Json::array()) {
      const std::string content = text_of(token, "content");
      const size_t id = id_of(member(token, "id"), content);
      if (content.empty() || (id < types_.size() && types_[id] == int64_t(TokenType::unknown))) continue;
      place(id, content, flag_of(token, "special") ? TokenType::control : TokenType::user_defined);
    }
    // Ids that no token has: they stand, as a model's rows are numbered by them.
    for (size_t id = 0; id < tokens_.size(); ++id) {
      if (types_[id] != int64_t(TokenType::undefined)) continue;
      tokens_[id] = fmt::format("[UNUSED{}]", id);
      types_[id] = int64_t(TokenType::unused);
    }
  }

  // "left right", or since 2024 ["left", "right"].
  void read_merges() {
    const Json& list = member(model_, "merges");
    std::vector<std::string> merges;
    for (const Json& merge : list.is_array() ? list : Json::array()) {
      if (merge.is_string()) {
        merges.push_back(merge.get<std::string>());
      } else if (merge.is_array() && merge.size() == 2 && merge[0].is_string() && merge[1].is_string()) {
        merges.push_back(merge[0].get<std::string>() + " " + merge[1].get<std::string>());
      } else {
        fail("tokenizer", "tokenizer.json: merge {} is no pair of tokens", merges.size());
      }
    }
    put("model", std::string(byte_level_ ? "gpt2" : "llama"));
    if (!byte_level_) put("scores", scores_of(merges));
    put("merges", std::move(merges));
  }

  // For readers that know SentencePiece's scores only: the earlier a piece is merged, the higher.
  std::vector<double> scores_of(const std::vector<std::string>& merges) const {
    std::map<std::string, size_t> ids;
    for (size_t id = 0; id < tokens_.size(); ++id) ids.emplace(tokens_[id], id);
    std::vector<double> scores(tokens_.size(), -1e9);
    for (size_t rank = 0; rank < merges.size(); ++rank) {
      std::string piece = merges[rank];
      piece.erase(std::min(piece.find(' ', 1), piece.size() - 1), 1);
      const auto found = ids.find(piece);
      if (found != ids.end()) scores[found->second] = std::max(scores[found->second], -double(rank));
    }
    return scores;
  }

  // The patterns that cut text into words, by the name that GGUF has for them where it has one.
  void read_pattern() {
    std::vector<std::string> patterns;
    bool prefix = false;
    for (const Json& step : before_) {
      const std::string type = text_of(step, "type");
      if (type == "ByteLevel") {
        prefix = flag_of(step, "add_prefix_space");
        if (flag_of(step, "use_regex", true)) patterns.push_back(gpt2_pattern());
      } else if (type == "Digits") {
        patterns.push_back(flag_of(step, "individual_digits") ? R"(\p{N})" : R"(\p{N}+)");
      } else if (type == "Split" && member(member(step, "pattern"), "Regex").is_string() &&
                 text_of(step, "behavior") != "MergedWithPrevious" && text_of(step, "behavior") != "MergedWithNext" &&
                 text_of(step, "behavior") != "Contiguous") {
        patterns.push_back(text_of(member(step, "pattern"), "Regex"));
      } else {
        refuse("the pre-tokeniser step " + step.dump().substr(0, 120));
      }
    }
    for (const Json& step : normalizers_)
      if (text_of(step, "type") != "NFC") refuse("the normaliser " + step.dump().substr(0, 120));
    const std::string name = pre_tokenizer_name(patterns, flag_of(model_, "ignore_merges"));
    put("pre", name);
    put("add_space_prefix", prefix);
    if (name != own_patterns) return;
    metadata_.values["tokenizer.ken.patterns"] = patterns;
    metadata_.values["tokenizer.ken.whole_words"] = flag_of(model_, "ignore_merges");
  }

  // SentencePiece writes spaces as U+2581, and most put one before the text.
  void read_prefix() {
    bool prefix = false;
    for (const Json& step : normalizers_) {
      const std::string type = text_of(step, "type");
      if (type == "Prepend")
        prefix = true;
      else if (type != "Replace" && type != "NFC")
        refuse("the normaliser " + step.dump().substr(0, 120));
    }
    for (const Json& step : before_) {
      const std::string type = text_of(step, "type");
      if (type == "Metaspace") {
        prefix =
            text_of(step, "prepend_scheme", flag_of(step, "add_prefix_space", true) ? "always" : "never") != "never";
      } else if (type != "Split") {
        refuse("the pre-tokeniser step " + step.dump().substr(0, 120));
      }
    }
    put("pre", std::string("default"));
    put("add_space_prefix", prefix);
  }

  void put_id(const char* key, const std::string& token) {
    const auto found = std::find(tokens_.begin(), tokens_.end(), token);
    if (!token.empty() && found != tokens_.end()) put(key, int64_t(found - tokens_.begin()));
  }

  // A token of tokenizer_config.json is its text, or an object with the text as its content.
  std::string config_token(const char* key) const {
    const Json& value = member(config_, key);
    return value.is_object() ? text_of(value, "content") : value.is_string() ? value.get<std::string>() : "";
  }

  // BOS is put before a prompt where the post-processor does so.
  void read_specials() {
    std::string first;
    for (const Json& step : steps_of(member(json_, "post_processor"), "processors")) {
      const Json& single = member(step, "single");
      if (text_of(step, "type") != "TemplateProcessing" || !single.is_array() || single.empty()) continue;
      first = text_of(member(single[0], "SpecialToken"), "id");
    }
    std::string bos = config_token("bos_token");
    if (bos.empty()) bos = first;
    put_id("bos_token_id", bos);
    put_id("eos_token_id", config_token("eos_token"));
    put_id("unknown_token_id", text_of(model_, "unk_token"));
    put("add_bos_token", flag_of(config_, "add_bos_token", !first.empty() && first == bos));
    if (const Json& chat = member(config_, "chat_template"); chat.is_string())
      metadata_.values["tokenizer.chat_template"] = chat.get<std::string>();
  }

  const Json &json_, &config_, &model_;
  std::vector<Json> before_, normalizers_;
  bool byte_level_ = false;
  std::vector<std::string> tokens_;
  std::vector<int64_t> types_;
  io::Metadata metadata_;
};

}  // namespace

io::Metadata tokenizer_metadata(const Json& tokenizer, const Json& tokenizer_config) {
  return Reader(tokenizer, tokenizer_config).read();
}

io::Metadata tokenizer_metadata(const fs::path& folder) {
  const fs::path file = folder / "tokenizer.json", config = folder / "tokenizer_config.json",
                 chat = folder / "chat_template.jinja";
  const Json settings = fs::exists(config) ? read_json(config, size_t{1} << 26, "tokenizer") : Json::object();
  io::Metadata metadata = tokenizer_metadata(read_json(file, size_t{1} << 28, "tokenizer"), settings);
  metadata.name = file.string();
  if (fs::exists(chat)) metadata.values["tokenizer.chat_template"] = read_text(chat, size_t{1} << 20);
  return metadata;
}

}  // namespace ken::text
