// The pipeline's order, and how a file's keys fill it.
#include "ken/text/pipeline.h"

#include <unordered_map>

#include "ken/text/bytes.h"
#include "ken/text/json_fields.h"

namespace ken::text {
namespace {

constexpr const char* normalizer_key = "tokenizer.ken.normalizer";
constexpr const char* words_key = "tokenizer.ken.pre_tokenizer";
constexpr const char* added_key = "tokenizer.ken.added_tokens";

Json json_of(const io::Metadata& metadata, const char* key) {
  if (!metadata.has(key)) return {};
  Json json = parse_json(metadata.text(key));
  if (json.is_discarded()) fail("tokenizer", "{} is no JSON; the file is damaged", key);
  return json;
}

AddedFlags flags_of(const Json& token) {
  return {.lstrip = flag_of(token, "lstrip"),
          .rstrip = flag_of(token, "rstrip"),
          .single_word = flag_of(token, "single_word"),
          .normalized = flag_of(token, "normalized")};
}

// Flags by the token's id.
std::unordered_map<int64_t, AddedFlags> read_flags(const io::Metadata& metadata) {
  std::unordered_map<int64_t, AddedFlags> flags;
  const Json tokens = json_of(metadata, added_key);
  for (const Json& token : tokens.is_array() ? tokens : Json::array())
    if (const Json& id = member(token, "id"); id.is_number_integer()) flags[id.get<int64_t>()] = flags_of(token);
  return flags;
}

}  // namespace

bool Pipeline::is_in(const io::Metadata& metadata) {
  return metadata.has(normalizer_key) || metadata.has(words_key) || metadata.has(added_key);
}

Pipeline::Pipeline(const io::Metadata& metadata, const Tokenizer& tokenizer, const std::vector<TokenType>& types,
                   PreTokenizer words)
    : normalizer_(json_of(metadata, normalizer_key)),
      words_(metadata.has(words_key) ? PreTokenizer(json_of(metadata, words_key)) : std::move(words)) {
  const auto flags = read_flags(metadata);
  for (size_t i = 0; i < types.size(); ++i) {
    const bool control = types[i] == TokenType::control || types[i] == TokenType::unknown;
    if (!control && types[i] != TokenType::user_defined) continue;
    const auto found = flags.find(int64_t(i));
    const AddedFlags own = found == flags.end() ? AddedFlags{} : found->second;
    if (!own.normalized) {
      added_.add(tokenizer.pieces[i], int32_t(i), control, own);
      continue;
    }
    MappedText content(tokenizer.pieces[i], 0);
    normalizer_.apply(content);
    added_normalized_.add(content.text, int32_t(i), control, own);
  }
}

void Pipeline::run(std::string_view text, bool parse_special, const PreTokenizer::Words& word,
                   const Added& added) const {
  for (size_t at = 0; at < text.size();) {
    const auto match = added_.find(text, at, parse_special);
    const size_t end = match ? match->begin : text.size();
    if (end > at) run_plain(text.substr(at, end - at), at, parse_special, word, added);
    if (match) added(match->id, match->begin, match->end);
    at = match ? match->end : end;
  }
}

Pipeline::Pieces Pipeline::pieces(std::string_view text, bool parse_special, const Encode& encode) const {
  Pieces out;
  run(
      text, parse_special, [&](const MappedText& from, std::string_view word) { encode(from, word, out); },
      [&](int32_t id, size_t begin, size_t end) {
        out.push_back({id, begin, end});
      });
  return out;
}

void Pipeline::run_plain(std::string_view text, size_t offset, bool parse_special, const PreTokenizer::Words& word,
                         const Added& added) const {
  bool prefix = space_first_ && offset == 0 && text[0] != ' ';
  for (size_t at = 0; at < text.size();) {
    const size_t end = utf8_run_end(text, at);
    MappedText run(text.substr(at, end - at), offset + at);
    if (prefix) {
      const MappedText bare = std::move(run);
      Rewriter out(bare);
      out.put(" ", 0);
      out.keep(0, bare.text.size());
      run = out.finish();
      prefix = false;
    }
    run_normalized(std::move(run), parse_special, word, added);
    if (end < text.size()) {
      const MappedText bad(text.substr(end, 1), offset + end);
      word(bad, bad.text);
    }
    at = end + 1;
  }
}

void Pipeline::run_normalized(MappedText text, bool parse_special, const PreTokenizer::Words& word,
                              const Added& added) const {
  normalizer_.apply(text);
  const std::string_view view = text.text;
  if (added_normalized_.empty()) return words_.split(text, word);
  for (size_t at = 0; at < view.size();) {
    const auto match = added_normalized_.find(view, at, parse_special);
    const size_t end = match ? match->begin : view.size();
    if (end > at) words_.split(text.cut(view.substr(at, end - at)), word);
    if (match) added(match->id, text.origin(match->begin), text.origin(match->end));
    at = match ? match->end : end;
  }
}

}  // namespace ken::text
