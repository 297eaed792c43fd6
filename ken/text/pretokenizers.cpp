// The table of pre-tokenisers and the PCRE2 matcher that runs them. Patterns are those of the models' tokenizer.json
// files; names are those that GGUF writers use.
#define PCRE2_CODE_UNIT_WIDTH 8
#include "ken/text/pretokenizers.h"

#include <pcre2.h>

#include <algorithm>

#include "ken/base/error.h"
#include "ken/text/bytes.h"

namespace ken::text {
namespace {

constexpr const char* gpt2 = R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";
constexpr const char* cl100k =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*)"
    R"(|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr const char* qwen2 =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr const char* o200k =
    R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?)"
    R"(|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?)"
    R"(|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr const char* tekken = R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+)"
                               R"(|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*)"
                               R"(|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr const char* deepseek3 =
    R"([!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+)"
    R"(| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";

const std::vector<PreTokenizerRow>& table() {
  static const std::vector<PreTokenizerRow> rows{
      {.names = {"gpt-2", "default", "phi-2", "mpt", "olmo"}, .patterns = {gpt2}},
      {.names = {"llama-bpe", "llama3", "llama-v3"}, .patterns = {cl100k}, .whole_words = true, .add_bos = true},
      {.names = {"dbrx"}, .patterns = {cl100k}},
      {.names = {"qwen2", "stablelm2", "deepseek-r1-qwen"}, .patterns = {qwen2}},
      {.names = {"smollm", "starcoder", "refact", "codeshell", "command-r"}, .patterns = {R"(\p{N})", gpt2}},
      {.names = {"gpt-4o"}, .patterns = {o200k}},
      {.names = {"tekken"}, .patterns = {tekken}, .whole_words = true, .add_bos = true},
      {.names = {"deepseek-v3"}, .patterns = {R"(\p{N}{1,3})", R"([一-龥\x{3040}-ゟ゠-ヿ]+)", deepseek3}},
  };
  return rows;
}

}  // namespace

PreTokenizerRow PreTokenizer::find(const std::string& name) {
  std::string known;
  for (const PreTokenizerRow& row : table())
    for (const std::string& candidate : row.names) {
      if (candidate == name) return row;
      known += (known.empty() ? "" : ", ") + candidate;
    }
  fail("tokenizer", "the pre-tokeniser '{}' (tokenizer.ggml.pre) is not known; known are {}", name.substr(0, 80),
       known);
}

const char* gpt2_pattern() { return gpt2; }

std::string pre_tokenizer_name(const std::vector<std::string>& patterns, bool whole_words) {
  for (const PreTokenizerRow& row : table())
    if (row.patterns == patterns && row.whole_words == whole_words) return row.names.front();
  return own_patterns;
}

namespace {

// PCRE2's own \s is ASCII, or (with UCP) has U+180E more than Unicode's White_Space, which these patterns mean.
std::string with_unicode_space(std::string_view pattern) {
  static constexpr std::string_view space =
      R"(\x{9}-\x{d}\x{20}\x{85}\x{a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000})";
  std::string result;
  bool in_class = false;
  for (size_t i = 0; i < pattern.size(); ++i) {
    const char c = pattern[i];
    if (c == '\\' && i + 1 < pattern.size()) {
      const char escaped = pattern[++i];
      if (escaped == 's') {
        result += in_class ? std::string(space) : fmt::format("[{}]", space);
      } else if (escaped == 'S') {
        result += in_class ? std::string("\\S") : fmt::format("[^{}]", space);
      } else {
        result += {c, escaped};
      }
      continue;
    }
    if (c == '[') in_class = true;
    if (c == ']') in_class = false;
    result += c;
  }
  return result;
}

using MatchData = std::unique_ptr<pcre2_match_data, decltype(&pcre2_match_data_free)>;

}  // namespace

struct PreTokenizer::Stage {
  explicit Stage(const std::string& pattern) {
    const std::string source = with_unicode_space(pattern);
    int error = 0;
    size_t at = 0;
    code = pcre2_compile(reinterpret_cast<PCRE2_SPTR>(source.data()), source.size(), PCRE2_UTF, &error, &at, nullptr);
    if (!code) fail("tokenizer", "the pre-tokeniser's pattern does not compile: PCRE2 error {} at byte {}", error, at);
    pcre2_jit_compile(code, PCRE2_JIT_COMPLETE);  // without it matching is only slower
  }
  ~Stage() { pcre2_code_free(code); }
  Stage(const Stage&) = delete;
  Stage& operator=(const Stage&) = delete;

  // The next non-empty match as [begin, end), or an empty span at the end of the text. A match that exceeds PCRE2's
  // limits counts as none: the rest is then one word, which costs tokens but no correctness of decoding.
  std::pair<size_t, size_t> next(std::string_view text, size_t from, pcre2_match_data* data) const {
    const auto subject = reinterpret_cast<PCRE2_SPTR>(text.data());
    int found = pcre2_match(code, subject, text.size(), from, PCRE2_NO_UTF_CHECK, data, nullptr);
    if (found == PCRE2_ERROR_JIT_STACKLIMIT)
      found = pcre2_match(code, subject, text.size(), from, PCRE2_NO_UTF_CHECK | PCRE2_NO_JIT, data, nullptr);
    if (found < 0) return {text.size(), text.size()};
    const size_t* span = pcre2_get_ovector_pointer(data);
    if (span[0] < from || span[1] <= span[0]) return {text.size(), text.size()};
    return {span[0], span[1]};
  }

  pcre2_code* code = nullptr;
};

PreTokenizer::PreTokenizer(PreTokenizerRow row) : row_(std::move(row)) {
  for (const std::string& pattern : row_.patterns) stages_.push_back(std::make_unique<Stage>(pattern));
}

PreTokenizer::~PreTokenizer() = default;

void PreTokenizer::split(std::string_view text, const std::function<void(std::string_view)>& word) const {
  split_from(0, text, word);
}

void PreTokenizer::split_from(size_t stage, std::string_view text,
                              const std::function<void(std::string_view)>& word) const {
  if (text.empty()) return;
  if (stage == stages_.size()) return word(text);
  const MatchData data(pcre2_match_data_create_from_pattern(stages_[stage]->code, nullptr), pcre2_match_data_free);
  if (!data) throw std::bad_alloc();
  for (size_t at = 0; at < text.size();) {
    const auto [begin, end] = stages_[stage]->next(text, at, data.get());
    split_from(stage + 1, text.substr(at, begin - at), word);  // what lies between matches is a piece, too
    split_from(stage + 1, text.substr(begin, end - begin), word);
    at = end;
  }
}

}  // namespace ken::text
