// Normalisers, one function each, after Hugging Face's tokenizers; Unicode's data are ICU's.
#include "ken/text/normalizer.h"

#include <unicode/brkiter.h>
#include <unicode/bytestream.h>
#include <unicode/edits.h>
#include <unicode/normalizer2.h>
#include <unicode/uchar.h>
#include <unicode/utext.h>

#include <limits>
#include <memory>

#include "ken/text/bytes.h"
#include "ken/text/charsmap.h"
#include "ken/text/json_fields.h"
#include "ken/text/pattern.h"

namespace ken::text {

namespace {

bool is_white_space(char32_t code) { return u_isUWhiteSpace(UChar32(code)); }

using Step = std::function<void(MappedText&)>;

// Calls `change(code, begin, end, out)` for each character.
template <typename Change>
void change_characters(MappedText& text, Change&& change) {
  Rewriter out(text);
  for (size_t at = 0; at < text.text.size();) {
    const size_t length = std::max<size_t>(utf8_length(text.text, at), 1);
    change(code_point(text.text, at), at, at + length, out);
    at += length;
  }
  text = out.finish();
}

template <typename Keep>
void filter(MappedText& text, Keep&& keep) {
  change_characters(text, [&](char32_t code, size_t begin, size_t end, Rewriter& out) {
    if (keep(code)) out.keep(begin, end);
  });
}

// NFC, NFD, NFKC, NFKD
void compose(const icu::Normalizer2& form, MappedText& text) {
  if (text.text.size() > size_t(std::numeric_limits<int32_t>::max()))
    fail("tokenizer", "a text of {} bytes is too long to be normalised at once", text.text.size());
  UErrorCode status = U_ZERO_ERROR;
  if (form.isNormalizedUTF8(text.text, status)) return;
  std::string made;
  icu::StringByteSink<std::string> sink(&made);
  icu::Edits edits;
  form.normalizeUTF8(0, text.text, sink, &edits, status);
  Rewriter out(text);
  size_t from = 0, to = 0;
  for (auto edit = edits.getFineIterator(); edit.next(status);) {
    const size_t before = size_t(edit.oldLength()), after = size_t(edit.newLength());
    edit.hasChange() ? out.put(std::string_view(made).substr(to, after), from) : out.keep(from, from + before);
    from += before, to += after;
  }
  if (U_FAILURE(status)) fail("tokenizer", "Unicode normalisation failed: {}", u_errorName(status));
  text = out.finish();
}

using GetForm = const icu::Normalizer2* (*)(UErrorCode&);
Step form_step(GetForm get) {
  UErrorCode status = U_ZERO_ERROR;
  const icu::Normalizer2* form = get(status);
  if (U_FAILURE(status)) fail("tokenizer", "ICU's normalisation data are missing: {}", u_errorName(status));
  return [form](MappedText& text) { compose(*form, text); };
}

void lowercase(MappedText& text) {
  change_characters(text, [](char32_t code, size_t begin, size_t end, Rewriter& out) {
    const UChar32 lower = u_tolower(UChar32(code));
    if (code == 0x130) return out.put("i\xcc\x87", begin);  // the one character that becomes two
    if (lower == UChar32(code)) return out.keep(begin, end);
    std::string bytes;
    append_utf8(bytes, char32_t(lower));
    out.put(bytes, begin);
  });
}

void strip_accents(MappedText& text) {
  filter(text, [](char32_t code) { return !(U_GET_GC_MASK(UChar32(code)) & U_GC_M_MASK); });
}

void strip(MappedText& text, bool left, bool right) {
  const std::string& bytes = text.text;
  size_t begin = 0, end = bytes.size();
  while (left && begin < end && is_white_space(code_point(bytes, begin))) begin += utf8_length(bytes, begin);
  while (right && end > begin) {
    size_t last = end - 1;
    while (last > begin && (uint8_t(bytes[last]) & 0xc0) == 0x80) --last;
    if (!is_white_space(code_point(bytes, last))) break;
    end = last;
  }
  Rewriter out(text);
  out.keep(begin, end);
  text = out.finish();
}

// The NMT rules: control characters vanish, odd spaces become plain ones.
void clean_nmt(MappedText& text) {
  change_characters(text, [](char32_t c, size_t begin, size_t end, Rewriter& out) {
    if ((c >= 1 && c <= 8) || c == 0xb || (c >= 0xe && c <= 0x1f) || c == 0x7f || c == 0x8f || c == 0x9f) return;
    const bool space = c == 9 || c == 0xa || c == 0xc || c == 0xd || c == 0x1680 || (c >= 0x200b && c <= 0x200f) ||
                       c == 0x2028 || c == 0x2029 || c == 0x2581 || c == 0xfeff || c == 0xfffd;
    space ? out.put(" ", begin) : out.keep(begin, end);
  });
}

Step replace_step(const Json& step) {
  const Json& pattern = member(step, "pattern");
  const std::string literal = text_of(pattern, "String"), regex = text_of(pattern, "Regex");
  if (literal.empty() && regex.empty()) refuse_step("normaliser", step);
  auto find = std::make_shared<Pattern>(literal.empty() ? regex : Pattern::literal(literal));
  const std::string content = text_of(step, "content");
  return [find, content, literal](MappedText& text) {
    if (!literal.empty() && text.text.find(literal) == std::string::npos) return;
    Rewriter out(text);
    size_t done = 0;
    find->each(text.text, [&](size_t begin, size_t end) {
      out.keep(done, begin);
      out.put(content, begin);
      done = end;
    });
    out.keep(done, text.text.size());
    text = out.finish();
  };
}

void prepend(MappedText& text, const std::string& content) {
  if (text.text.empty()) return;
  Rewriter out(text);
  out.put(content, 0);
  out.keep(0, text.text.size());
  text = out.finish();
}

// --- BertNormalizer

bool is_chinese(char32_t c) {
  return (c >= 0x4e00 && c <= 0x9fff) || (c >= 0x3400 && c <= 0x4dbf) || (c >= 0x20000 && c <= 0x2a6df) ||
         (c >= 0x2a700 && c <= 0x2b73f) || (c >= 0x2b740 && c <= 0x2b81f) || (c >= 0x2b920 && c <= 0x2ceaf) ||
         (c >= 0xf900 && c <= 0xfaff) || (c >= 0x2f800 && c <= 0x2fa1f);
}

void clean_bert(MappedText& text) {
  change_characters(text, [](char32_t code, size_t begin, size_t end, Rewriter& out) {
    const bool space = code == '\t' || code == '\n' || code == '\r' || is_white_space(code);
    const uint32_t other = U_GC_CC_MASK | U_GC_CF_MASK | U_GC_CO_MASK | U_GC_CS_MASK;
    if (code == '\t' || code == '\n' || code == '\r') return out.put(" ", begin);
    if (code == 0 || code == 0xfffd || (U_GET_GC_MASK(UChar32(code)) & other)) return;
    space ? out.put(" ", begin) : out.keep(begin, end);
  });
}

void separate_chinese(MappedText& text) {
  change_characters(text, [](char32_t code, size_t begin, size_t end, Rewriter& out) {
    if (!is_chinese(code)) return out.keep(begin, end);
    out.put(" ", begin);
    out.keep(begin, end);
    out.put(" ", begin);
  });
}

void add_bert_steps(const Json& step, std::vector<Step>& steps) {
  const bool lower = flag_of(step, "lowercase", true);
  if (flag_of(step, "clean_text", true)) steps.push_back(clean_bert);
  if (flag_of(step, "handle_chinese_chars", true)) steps.push_back(separate_chinese);
  if (flag_of(step, "strip_accents", lower)) {
    steps.push_back(form_step(icu::Normalizer2::getNFDInstance));
    steps.push_back([](MappedText& text) {
      filter(text, [](char32_t code) { return u_charType(UChar32(code)) != U_NON_SPACING_MARK; });
    });
  }
  if (lower) steps.push_back(lowercase);
}

// --- Precompiled

std::string from_base64(const std::string& text) {
  static constexpr std::string_view digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string bytes;
  uint32_t bits = 0, count = 0;
  for (const char c : text) {
    if (c == '=') break;
    const size_t digit = digits.find(c);
    if (digit == digits.npos) fail("tokenizer", "tokenizer.json: precompiled_charsmap is not base64");
    bits = bits << 6 | uint32_t(digit);
    count += 6;
    if (count < 8) continue;
    count -= 8;
    bytes += char(bits >> count & 0xff);
  }
  return bytes;
}

// The ends of the user-perceived characters of `text`. An iterator is costly to make, and serves one thread.
std::vector<size_t> grapheme_ends(const std::string& text) {
  UErrorCode status = U_ZERO_ERROR;
  thread_local const std::unique_ptr<icu::BreakIterator> iterator(
      icu::BreakIterator::createCharacterInstance(icu::Locale::getRoot(), status));
  UText utext = UTEXT_INITIALIZER;
  utext_openUTF8(&utext, text.data(), int64_t(text.size()), &status);
  if (!iterator || U_FAILURE(status)) fail("tokenizer", "ICU's break iterator failed: {}", u_errorName(status));
  iterator->setText(&utext, status);
  std::vector<size_t> ends;
  while (true) {
    const int32_t end = iterator->next();
    if (end == icu::BreakIterator::DONE) break;
    ends.push_back(size_t(end));
  }
  utext_close(&utext);
  return ends;
}

// As Hugging Face applies the rules: to whole graphemes of less than six bytes, where the shortest rule that one begins
// with replaces all of it, else to single characters.
void apply_rules(const CharsMap& rules, MappedText& text) {
  const std::string_view bytes = text.text;
  Rewriter out(text);
  size_t begin = 0;
  for (const size_t end : grapheme_ends(text.text)) {
    const auto whole = end - begin < 6 ? rules.shortest(bytes.substr(begin, end - begin)) : std::nullopt;
    if (whole) {
      out.put(whole->replacement, begin);
      begin = end;
    }
    while (begin < end) {
      const size_t length = std::max<size_t>(utf8_length(bytes, begin), 1);
      const auto rule = rules.shortest(bytes.substr(begin, length));
      rule ? out.put(rule->replacement, begin) : out.keep(begin, begin + length);
      begin += length;
    }
  }
  text = out.finish();
}

void add_step(const Json& step, std::vector<Step>& steps) {
  const std::string type = text_of(step, "type");
  if (type == "NFC") return steps.push_back(form_step(icu::Normalizer2::getNFCInstance));
  if (type == "NFD") return steps.push_back(form_step(icu::Normalizer2::getNFDInstance));
  if (type == "NFKC") return steps.push_back(form_step(icu::Normalizer2::getNFKCInstance));
  if (type == "NFKD") return steps.push_back(form_step(icu::Normalizer2::getNFKDInstance));
  if (type == "Lowercase") return steps.push_back(lowercase);
  if (type == "StripAccents") return steps.push_back(strip_accents);
  if (type == "Nmt") return steps.push_back(clean_nmt);
  if (type == "BertNormalizer") return add_bert_steps(step, steps);
  if (type == "Replace") return steps.push_back(replace_step(step));
  if (type == "Strip") {
    const bool left = flag_of(step, "strip_left", true), right = flag_of(step, "strip_right", true);
    return steps.push_back([left, right](MappedText& text) { strip(text, left, right); });
  }
  if (type == "Prepend") {
    const std::string content = text_of(step, "prepend");
    return steps.push_back([content](MappedText& text) { prepend(text, content); });
  }
  if (type == "Precompiled") {
    const auto rules = std::make_shared<CharsMap>(from_base64(text_of(step, "precompiled_charsmap")));
    if (rules->empty()) return;
    return steps.push_back([rules](MappedText& text) { apply_rules(*rules, text); });
  }
  refuse_step("normaliser", step);
}

}  // namespace

Normalizer::Normalizer(const Json& step) {
  for (const Json& one : steps_of(step, "normalizers")) add_step(one, steps_);
}

void Normalizer::apply(MappedText& text) const {
  for (const auto& step : steps_) step(text);
}

}  // namespace ken::text
