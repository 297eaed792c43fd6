#include "ken/readout/spans.h"

namespace ken::readout {

Span token_span(const text::Tokenizer& tokenizer, const std::vector<int32_t>& tokens, size_t begin, size_t end) {
  Span span;
  for (size_t i = 0, before = 0; i < tokens.size() && before < end; ++i) {
    // Decoded with what stands before it: a token alone may lose its blank or be part of a character.
    const size_t after = tokenizer.decode({tokens.data(), i + 1}).size();
    if (after > begin && after > before) {
      if (span.first < 0) span.first = int64_t(i);
      span.last = int64_t(i);
    }
    before = after;
  }
  return span;
}

std::vector<std::pair<size_t, size_t>> sentences(const std::string& text) {
  constexpr const char* blanks = " \t\r\n";
  std::vector<std::pair<size_t, size_t>> result;
  const auto add = [&](size_t begin, size_t end) {
    begin = text.find_first_not_of(blanks, begin);
    while (end > 0 && end - 1 > begin && std::string_view(blanks).find(text[end - 1]) != std::string_view::npos) --end;
    if (begin < end) result.emplace_back(begin, end);
  };
  size_t begin = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    const bool stop = text[i] == '.' || text[i] == '!' || text[i] == '?';
    const bool open = i + 1 == text.size() || text[i + 1] == ' ' || text[i + 1] == '\n';
    if (text[i] != '\n' && !(stop && open)) continue;
    add(begin, i + 1);
    begin = i + 1;
  }
  add(begin, text.size());
  return result;
}

}  // namespace ken::readout
