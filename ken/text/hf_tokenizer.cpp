// tokenizer.json of Hugging Face -> the tokenizer.ggml.* keys that every tokenizer is read from, so that a folder and
// the GGUF file made of it cut text alike. What those keys cannot say is kept in tokenizer.ken.* keys: the normaliser,
// the pre-tokeniser and the flags of added tokens, as JSON.
#include "ken/text/hf_tokenizer.h"

#include <algorithm>
#include <unordered_map>

#include "ken/base/error.h"
#include "ken/text/bytes.h"
#include "ken/text/json_fields.h"
#include "ken/text/kinds.h"
#include "ken/text/normalizer.h"
#include "ken/text/pretokenizers.h"
#include "ken/text/tokenizer_files.h"

namespace ken::text {
namespace {

constexpr size_t most_tokens = size_t{1} << 24;

bool has_type(const std::vector<Json>& steps, const char* type) {
  return std::any_of(steps.begin(), steps.end(), [&](const Json& step) { return text_of(step, "type") == type; });
}

[[noreturn]] void refuse(const std::string& what) {
  fail("tokenizer", "tokenizer.json: {} is not supported; convert the model to GGUF with its own tools", what);
}

// `listed`: how many tokens the file has. Ids may leave some out, but not so many that a few bytes stand for a table of
// any size.
size_t id_of(const Json& id, const std::string& token, size_t listed) {
  const size_t most = std::min(most_tokens, 4 * listed + (size_t{1} << 16));
  if (!id.is_number_integer() || id.get<int64_t>() < 0 || id.get<int64_t>() >= int64_t(most))
    fail("tokenizer", "tokenizer.json: token '{}' has the id {}; ids of {} tokens are 0 to {}", token.substr(0, 80),
         id.is_number() ? id.dump() : id.type_name(), listed, most - 1);
  return size_t(id.get<int64_t>());
}

// Texts and types by id.
struct Tokens {
  std::vector<std::string> texts;
  std::vector<int64_t> types;

  void place(size_t id, const std::string& token, TokenType type) {
    if (id >= texts.size()) texts.resize(id + 1), types.resize(id + 1, int64_t(TokenType::undefined));
    texts[id] = token;
    types[id] = int64_t(type);
  }
  // An added token. One that the vocabulary names as unknown stays that.
  void add(size_t id, const std::string& token, bool special) {
    if (token.empty() || (id < types.size() && types[id] == int64_t(TokenType::unknown))) return;
    place(id, token, special ? TokenType::control : TokenType::user_defined);
  }
  // Ids that no token has: they stand, as a model's rows are numbered by them.
  void fill_gaps() {
    for (size_t id = 0; id < texts.size(); ++id) {
      if (types[id] != int64_t(TokenType::undefined)) continue;
      texts[id] = fmt::format("[UNUSED{}]", id);
      types[id] = int64_t(TokenType::unused);
    }
  }
};

class TokenizerReader {
 public:
  TokenizerReader(const Json& json, const Json& config)
      : json_(json), config_(config), model_(member(json, "model")), type_(model_type(model_)) {
    before_ = steps_of(member(json, "pre_tokenizer"), "pretokenizers");
    normalizers_ = steps_of(member(json, "normalizer"), "normalizers");
    decoders_ = steps_of(member(json, "decoder"), "decoders");
    byte_level_ = type_ == "BPE" && (has_type(before_, "ByteLevel") || has_type(decoders_, "ByteLevel"));
  }

  io::Metadata read() {
    if (type_ == "Unigram") {
      read_unigram();
    } else {
      read_vocabulary();
    }
    read_added();
    if (type_ == "BPE") read_merges();
    if (type_ == "WordPiece") read_wordpiece();
    byte_level_ ? read_pattern() : read_steps();
    read_specials();
    if (type_ == "Unigram") scores_.resize(tokens_.texts.size());
    if (!scores_.empty()) put("scores", std::move(scores_));
    put("tokens", std::move(tokens_.texts));
    put("token_type", std::move(tokens_.types));
    return std::move(metadata_);
  }

 private:
  template <typename T>
  void put(const std::string& key, T value) {
    metadata_.values["tokenizer.ggml." + key] = std::move(value);
  }
  template <typename T>
  void put_own(const std::string& key, T value) {
    metadata_.values["tokenizer.ken." + key] = std::move(value);
  }

  size_t listed() const { return member(model_, "vocab").size() + member(json_, "added_tokens").size(); }

  // Files of before 2021 leave the type out; what their model holds says it.
  static std::string untagged_type(const Json& model) {
    if (member(model, "vocab").is_array()) return "Unigram";
    if (!member(model, "merges").is_null()) return "BPE";
    return member(model, "max_input_chars_per_word").is_null() ? "WordLevel" : "WordPiece";
  }

  static std::string model_type(const Json& model) {
    std::string type = text_of(model, "type");
    if (type.empty()) type = untagged_type(model);
    if (type != "BPE" && type != "Unigram" && type != "WordPiece") refuse("the model type '" + type + "'");
    if (type == "BPE" &&
        (!text_of(model, "end_of_word_suffix").empty() || !text_of(model, "continuing_subword_prefix").empty()))
      refuse("a BPE with end_of_word_suffix or continuing_subword_prefix");
    return type;
  }

  void read_vocabulary() {
    const Json& vocabulary = member(model_, "vocab");
    if (!vocabulary.is_object()) fail("tokenizer", "tokenizer.json: the model has no object 'vocab'");
    const std::string unknown = text_of(model_, "unk_token");
    const bool bytes = flag_of(model_, "byte_fallback");
    for (const auto& [token, id] : vocabulary.items()) {
      tokens_.place(id_of(id, token, listed()), token,
                    token == unknown && !byte_level_ ? TokenType::unknown
                    : bytes && byte_of_piece(token)  ? TokenType::byte
                                                     : TokenType::normal);
    }
  }

  void read_unigram() {
    const Json& vocabulary = member(model_, "vocab");
    if (!vocabulary.is_array()) fail("tokenizer", "tokenizer.json: the unigram model has no list 'vocab'");
    if (vocabulary.size() > most_tokens) refuse(fmt::format("a vocabulary of {} tokens", vocabulary.size()));
    const bool bytes = flag_of(model_, "byte_fallback");
    for (const Json& entry : vocabulary) {
      if (!entry.is_array() || entry.size() != 2 || !entry[0].is_string() || !entry[1].is_number())
        fail("tokenizer", "tokenizer.json: entry {} of the vocabulary is no pair of a piece and its score",
             scores_.size());
      const std::string token = entry[0].get<std::string>();
      tokens_.place(scores_.size(), token, bytes && byte_of_piece(token) ? TokenType::byte : TokenType::normal);
      scores_.push_back(entry[1].get<double>());
    }
    const Json& unknown = member(model_, "unk_id");
    if (unknown.is_null()) return;
    const size_t id = id_of(unknown, "unk_id", listed());
    if (id >= scores_.size()) fail("tokenizer", "tokenizer.json: unk_id {} is no entry of the vocabulary", id);
    tokens_.types[id] = int64_t(TokenType::unknown);
    put("unknown_token_id", int64_t(id));
  }

  void read_added() {
    const Json& added = member(json_, "added_tokens");
    Json flagged = Json::array();
    size_t normalized = 0, all = 0;
    bool plain = normalizers_.empty();
    for (const Json& token : added.is_array() ? added : Json::array()) {
      const std::string content = text_of(token, "content");
      const size_t id = id_of(member(token, "id"), content, listed());
      tokens_.add(id, content, flag_of(token, "special"));
      Json flags{{"id", id}};
      for (const char* flag : {"lstrip", "rstrip", "single_word", "normalized"})
        if (flag_of(token, flag)) flags[flag] = true;
      ++all;
      normalized += flags.contains("normalized");
      plain = plain && flags.size() == 1u + flags.contains("normalized");
      if (flags.size() > 1) flagged.push_back(std::move(flags));
    }
    tokens_.fill_gaps();
    // Without a normaliser, to be matched in normalised text is to be matched after those that are not.
    if (!plain || (normalized > 0 && normalized < all)) put_own("added_tokens", flagged.dump());
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
    if (!byte_level_) {
      scores_ = scores_of(merges);
      put_own("fuse_unk", flag_of(model_, "fuse_unk"));
    }
    if (flag_of(model_, "ignore_merges")) put_own("whole_words", true);
    put("merges", std::move(merges));
  }

  // For readers that know SentencePiece's scores only: the earlier a piece is merged, the higher.
  std::vector<double> scores_of(const std::vector<std::string>& merges) const {
    std::unordered_map<std::string_view, size_t> ids;
    for (size_t id = 0; id < tokens_.texts.size(); ++id) ids.emplace(tokens_.texts[id], id);
    std::vector<double> scores(tokens_.texts.size(), -1e9);
    for (size_t rank = 0; rank < merges.size(); ++rank) {
      std::string piece = merges[rank];
      piece.erase(std::min(piece.find(' ', 1), piece.size() - 1), 1);
      const auto found = ids.find(piece);
      if (found != ids.end()) scores[found->second] = std::max(scores[found->second], -double(rank));
    }
    return scores;
  }

  // GGUF marks the pieces that begin a word instead of those that do not, and leaves [CLS] and its like as they are.
  void read_wordpiece() {
    put("model", std::string("bert"));
    const std::string prefix = text_of(model_, "continuing_subword_prefix", "##");
    for (size_t id = 0; id < tokens_.texts.size(); ++id) {
      std::string& token = tokens_.texts[id];
      if (tokens_.types[id] != int64_t(TokenType::normal)) continue;
      if (token.size() > 1 && token.front() == '[' && token.back() == ']') continue;
      if (!prefix.empty() && token.starts_with(prefix)) {
        token.erase(0, prefix.size());
      } else {
        token.insert(0, space_mark);
      }
    }
    const Json& most = member(model_, "max_input_chars_per_word");
    put_own("max_input_chars_per_word", most.is_number_unsigned() ? most.get<int64_t>() : int64_t{100});
    for (const Json& decoder : decoders_)
      if (text_of(decoder, "type") == "WordPiece") put_own("decode_cleanup", flag_of(decoder, "cleanup", true));
  }

  // The patterns that cut text into words, by the name that GGUF has for them where it has one.
  void read_pattern() {
    std::vector<std::string> patterns;
    bool prefix = false, simple = true;
    for (const Json& step : before_) {
      const std::string type = text_of(step, "type"), regex = text_of(member(step, "pattern"), "Regex");
      const std::string behavior = text_of(step, "behavior");
      const bool inverted = flag_of(step, "invert");
      if (type == "ByteLevel") {
        prefix = flag_of(step, "add_prefix_space", true);
        if (flag_of(step, "use_regex", true)) patterns.push_back(gpt2_pattern());
        simple = simple && !prefix && &step == &before_.back();
      } else if (type == "Digits" && flag_of(step, "individual_digits")) {
        patterns.push_back(R"(\p{N})");
      } else {
        patterns.push_back(regex);
        simple = simple && type == "Split" && !regex.empty() && behavior == (inverted ? "Removed" : "Isolated");
      }
    }
    const std::string name = simple ? pre_tokenizer_name(patterns, flag_of(model_, "ignore_merges")) : own_steps;
    put("pre", name);
    put("add_space_prefix", prefix);
    if (name == own_steps) put_pre_tokenizer();
    if (!normalizers_.empty()) put_normalizer();
  }

  void put_pre_tokenizer() {
    const Json& step = member(json_, "pre_tokenizer");
    PreTokenizer{step};  // refuses what it does not know here, where the file is named
    put_own("pre_tokenizer", step.dump());
  }
  void put_normalizer() {
    const Json& step = member(json_, "normalizer");
    Normalizer{step};
    put_own("normalizer", step.dump());
  }

  // All other kinds keep their steps. Readers that know GGUF's keys only learn whether a space is put before the text.
  void read_steps() {
    bool prefix = has_type(normalizers_, "Prepend");
    for (const Json& step : before_)
      if (text_of(step, "type") == "Metaspace")
        prefix =
            text_of(step, "prepend_scheme", flag_of(step, "add_prefix_space", true) ? "always" : "never") != "never";
    put_normalizer();
    put_pre_tokenizer();
    if (type_ == "Unigram") put("model", std::string("t5"));
    put("pre", std::string("default"));
    put("add_space_prefix", prefix);
  }

  void put_id(const char* key, const std::string& token) {
    const auto found = std::find(tokens_.texts.begin(), tokens_.texts.end(), token);
    if (!token.empty() && found != tokens_.texts.end()) put(key, int64_t(found - tokens_.texts.begin()));
  }

  // The token that the post-processor puts first, if it does.
  std::string first_token() const {
    std::string first;
    for (const Json& step : steps_of(member(json_, "post_processor"), "processors")) {
      const std::string type = text_of(step, "type");
      const Json &single = member(step, "single"), &cls = member(step, "cls");
      if (type == "TemplateProcessing" && single.is_array() && !single.empty())
        first = text_of(member(single[0], "SpecialToken"), "id");
      if ((type == "BertProcessing" || type == "RobertaProcessing") && cls.is_array() && !cls.empty() &&
          cls[0].is_string())
        first = cls[0].get<std::string>();
    }
    return first;
  }

  // BOS is put before a prompt where the post-processor does so.
  void read_specials() {
    const std::string first = first_token();
    std::string bos = config_token(config_, "bos_token").value_or("");
    if (bos.empty()) bos = first;
    put_id("bos_token_id", bos);
    put_id("eos_token_id", config_token(config_, "eos_token").value_or(""));
    put_id("unknown_token_id", text_of(model_, "unk_token"));
    put("add_bos_token", flag_of(config_, "add_bos_token", !first.empty() && first == bos));
    if (const Json& chat = member(config_, "chat_template"); chat.is_string())
      metadata_.values["tokenizer.chat_template"] = chat.get<std::string>();
  }

  const Json &json_, &config_, &model_;
  const std::string type_;
  std::vector<Json> before_, normalizers_, decoders_;
  bool byte_level_ = false;
  Tokens tokens_;
  std::vector<double> scores_;  // of Unigram, and of BPE that is not byte-level
  io::Metadata metadata_;
};

}  // namespace

io::Metadata tokenizer_metadata(const Json& tokenizer, const Json& tokenizer_config) {
  return TokenizerReader(tokenizer, tokenizer_config).read();
}

void add_folder_tokens(io::Metadata& metadata, const Json& config, const Json& added_tokens) {
  auto& values = metadata.values;
  Tokens tokens{metadata.texts("tokenizer.ggml.tokens"), metadata.integers("tokenizer.ggml.token_type")};
  const Json& decoder = member(config, "added_tokens_decoder");
  if (!decoder.is_null() && !decoder.is_object())
    fail("tokenizer", "tokenizer_config.json: added_tokens_decoder is no object; download it again");
  const size_t listed = tokens.texts.size() + added_tokens.size() + decoder.size();
  for (const auto& [content, id] : added_tokens.items()) tokens.add(id_of(id, content, listed), content, false);
  for (const auto& [name, token] : decoder.items()) {
    const Json id = parse_json(name);
    tokens.add(id_of(id, name, listed), text_of(token, "content"), flag_of(token, "special"));
  }
  tokens.fill_gaps();
  const auto put_id = [&](const char* key, const std::string& token) {
    const auto found = std::find(tokens.texts.begin(), tokens.texts.end(), token);
    if (!token.empty() && found != tokens.texts.end()) values[key] = int64_t(found - tokens.texts.begin());
  };
  put_id("tokenizer.ggml.bos_token_id", config_token(config, "bos_token").value_or(""));
  put_id("tokenizer.ggml.eos_token_id", config_token(config, "eos_token").value_or(""));
  if (const Json& add_bos = member(config, "add_bos_token"); add_bos.is_boolean())
    values["tokenizer.ggml.add_bos_token"] = add_bos.get<bool>();
  if (const Json& chat = member(config, "chat_template"); chat.is_string())
    values["tokenizer.chat_template"] = chat.get<std::string>();
  std::vector<double> scores = metadata.numbers("tokenizer.ggml.scores");
  scores.resize(tokens.texts.size());
  values["tokenizer.ggml.scores"] = std::move(scores);
  values["tokenizer.ggml.tokens"] = std::move(tokens.texts);
  values["tokenizer.ggml.token_type"] = std::move(tokens.types);
}

}  // namespace ken::text
