// Answer comparison after SQuAD's evaluation script (Rajpurkar et al. 2016), for any script: NFKD first, and
// punctuation as Unicode knows it. Differs in one point: what would vanish ("The The", "A") keeps its articles.
#include <unicode/normalizer2.h>
#include <unicode/uchar.h>
#include <unicode/unistr.h>

#include <cctype>
#include <optional>

#include "ken/base/error.h"
#include "ken/data/facts.h"

namespace ken::data {
namespace {

constexpr size_t longest_text = size_t{1} << 28;  // ICU counts in 32 bits, and NFKD may grow a text

icu::UnicodeString decompose(std::string_view text) {
  if (text.size() > longest_text)
    fail("normalize", "a text of {} bytes is too long to compare; the limit is {}", text.size(), longest_text);
  UErrorCode status = U_ZERO_ERROR;
  const icu::Normalizer2* nfkd = icu::Normalizer2::getNFKDInstance(status);
  const icu::UnicodeString result =
      U_SUCCESS(status) ? nfkd->normalize(icu::UnicodeString::fromUTF8({text.data(), int32_t(text.size())}), status)
                        : icu::UnicodeString();
  if (U_FAILURE(status)) fail("normalize", "ICU: {}; is its data installed?", u_errorName(status));
  return result;
}

// ASCII symbols such as "$" and "+" count as punctuation, as in Python's string.punctuation.
bool is_punctuation(UChar32 c) { return u_ispunct(c) || (c > ' ' && c < 0x7f && !u_isalnum(c)); }

// The words of a text; none where it is not all ASCII, which NFKD leaves as it is.
std::optional<std::vector<std::string>> ascii_words(std::string_view text) {
  std::vector<std::string> words;
  bool inside = false;
  for (const unsigned char c : text) {
    if (c >= 0x80) return std::nullopt;
    const bool white = std::isspace(c);
    if (!white && !std::ispunct(c)) {
      if (!inside) words.emplace_back();
      words.back() += char(std::tolower(c));
      inside = true;
    }
    inside = inside && !white;
  }
  return words;
}

std::vector<std::string> normal_words(std::string_view text) {
  if (auto words = ascii_words(text)) return *std::move(words);
  const icu::UnicodeString letters = decompose(text);
  icu::UnicodeString word;
  std::vector<std::string> words;
  const auto finish = [&] {
    if (word.isEmpty()) return;
    word.toUTF8String(words.emplace_back());
    word.remove();
  };
  for (int32_t i = 0; i < letters.length(); i = letters.moveIndex32(i, 1)) {
    const UChar32 c = letters.char32At(i);
    if (u_isUWhiteSpace(c))
      finish();
    else if (!is_punctuation(c))
      word.append(u_tolower(c));
  }
  finish();
  return words;
}

bool is_article(const std::string& word) { return word == "a" || word == "an" || word == "the"; }

std::string join(const std::vector<std::string>& words, bool articles) {
  std::string result;
  for (const auto& word : words) {
    if (!articles && is_article(word)) continue;
    if (!result.empty()) result += ' ';
    result += word;
  }
  return result;
}

}  // namespace

std::string normalize_answer(std::string_view text) {
  const auto words = normal_words(text);
  std::string result = join(words, false);
  return result.empty() ? join(words, true) : result;
}

bool same_answer(std::string_view given, const std::vector<std::string>& accepted) {
  const std::string answer = normalize_answer(given);
  for (const auto& text : accepted) {
    const std::string expected = normalize_answer(text);
    // Where nothing but punctuation is left, the texts themselves must agree.
    if (expected.empty() ? given == text : answer == expected) return true;
  }
  return false;
}

bool contains_answer(std::string_view given, const std::vector<std::string>& accepted) {
  const std::string answer = " " + normalize_answer(given) + " ";
  for (const auto& text : accepted) {
    const std::string expected = normalize_answer(text);
    if (!expected.empty() && answer.find(" " + expected + " ") != std::string::npos) return true;
  }
  return false;
}

}  // namespace ken::data
