// SentencePiece's normaliser (Kudo and Richardson 2018; normalizer.cc has the order of its steps), with origins.
#include "ken/text/sentencepiece_text.h"

#include <algorithm>
#include <cctype>

#include "ken/text/bytes.h"

namespace ken::text {
namespace {

std::string charsmap_bytes(const io::Metadata& metadata) {
  static const std::string key = "tokenizer.ggml.precompiled_charsmap";
  std::string bytes;
  if (!metadata.has(key)) return bytes;
  for (const int64_t byte : metadata.integers(key)) bytes += char(byte);
  return bytes;
}

// Phi-3's markup takes the white space that follows it. GGUF has no key for that: llama.cpp goes by the model's name.
bool takes_following_space(const io::Metadata& metadata, const std::string& piece) {
  std::string name = metadata.text("general.name", "");
  std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) { return char(std::tolower(c)); });
  if (name.find("phi-3") == name.npos && name.find("phi3") == name.npos) return false;
  return piece != "<unk>" && piece != "<s>" && piece != "<|endoftext|>";
}

}  // namespace

SentencePieceText::SentencePieceText(const io::Metadata& metadata, const Tokenizer& tokenizer,
                                     const std::vector<TokenType>& types, bool keeps_bad_bytes)
    : rules_(charsmap_bytes(metadata)),
      mark_(metadata.flag("tokenizer.ken.escape_whitespaces", true) ? space_mark : " "),
      prefix_(tokenizer.add_space_prefix),
      suffix_(metadata.flag("tokenizer.ken.space_suffix", false)),
      removes_spaces_(metadata.flag("tokenizer.ggml.remove_extra_whitespaces", false)),
      keeps_bad_bytes_(keeps_bad_bytes) {
  for (size_t i = 0; i < types.size(); ++i) {
    const std::string& piece = tokenizer.pieces[i];
    if (types[i] == TokenType::control || types[i] == TokenType::unknown)
      control_.add(piece, int32_t(i), true, {.rstrip = takes_following_space(metadata, piece)});
    if (types[i] == TokenType::user_defined)
      fixed_.add(mark_ == space_mark ? mark_spaces(piece) : piece, int32_t(i), false);
  }
}

Pipeline::Pieces SentencePieceText::pieces(std::string_view text, bool parse_special, const Encode& encode) const {
  Pipeline::Pieces out;
  for (size_t at = 0; at < text.size();) {
    const auto match = parse_special ? control_.find(text, at, true) : std::nullopt;
    const size_t end = match ? match->begin : text.size();
    if (end > at) encode(normalize(text.substr(at, end - at), at, prefix_), out);
    if (match) out.push_back({match->id, match->begin, match->end});
    at = match ? match->end : end;
  }
  return out;
}

// What the text at `at` begins with, and becomes: a user-defined token stays, the longest rule replaces, else a
// character stays.
SentencePieceText::Prefix SentencePieceText::next(std::string_view text, size_t at) const {
  if (!fixed_.empty())
    if (const auto match = fixed_.match_at(text, at, false))
      return {match->end - at, text.substr(at, match->end - at), true};
  if (const auto rule = rules_.longest(text.substr(at))) return {rule->length, rule->replacement, false};
  const size_t length = utf8_length(text, at);
  if (length == 0 && !keeps_bad_bytes_) return {1, "\xef\xbf\xbd", false};
  return {std::max<size_t>(length, 1), text.substr(at, std::max<size_t>(length, 1)), true};
}

// Returns whether the piece ends with a space.
bool SentencePieceText::write(Rewriter& out, std::string_view piece, const Prefix& from, size_t at) const {
  const size_t skipped = from.text.size() - piece.size();
  for (size_t i = 0; i < piece.size();) {
    const size_t space = std::min(piece.find(' ', i), piece.size());
    from.same ? out.keep(at + skipped + i, at + skipped + space) : out.put(piece.substr(i, space - i), at);
    if (space < piece.size()) out.put(mark_, from.same ? at + skipped + space : at);
    i = space + 1;
  }
  return piece.ends_with(' ');
}

MappedText SentencePieceText::normalize(std::string_view text, size_t offset, bool prefix) const {
  const MappedText from(text, offset);
  Rewriter out(from);
  size_t at = 0;
  while (removes_spaces_ && at < text.size()) {
    const Prefix leading = next(text, at);
    if (leading.text != " ") break;
    at += leading.length;
  }
  if (at == text.size()) return out.finish();
  if (prefix && !suffix_) out.put(mark_, at);
  bool after_space = removes_spaces_;
  while (at < text.size()) {
    const Prefix here = next(text, at);
    std::string_view piece = here.text;
    while (after_space && piece.starts_with(' ')) piece.remove_prefix(1);
    if (!piece.empty()) after_space = write(out, piece, here, at) && removes_spaces_;
    at += here.length;
  }
  while (removes_spaces_ && out.text().ends_with(mark_)) out.shorten(out.text().size() - mark_.size());
  if (prefix && suffix_) out.put(mark_, text.size());
  return out.finish();
}

void Fallback::put(std::string_view character, size_t begin, size_t end, std::vector<Tokenizer::Piece>& out,
                   size_t first) const {
  const bool has_bytes =
      std::all_of(character.begin(), character.end(), [&](char byte) { return bytes[uint8_t(byte)] >= 0; });
  if (!has_bytes) {
    if (!unknown) return;
    if (fuse && out.size() > first && out.back().id == *unknown) {
      out.back().end = end;
    } else {
      out.push_back({*unknown, begin, end});
    }
    return;
  }
  for (size_t i = 0; i < character.size(); ++i) {
    const bool last = i + 1 == character.size();
    out.push_back({bytes[uint8_t(character[i])], std::min(begin + i, end), last ? end : std::min(begin + i + 1, end)});
  }
}

}  // namespace ken::text
