#include "ken/evidence/word_swaps.h"

#include <cctype>

#include "ken/base/error.h"
#include "ken/base/read_json.h"

namespace ken::evidence {
namespace {

constexpr size_t longest_file = size_t{1} << 24;

bool is_word_byte(unsigned char c) { return c >= 0x80 || std::isalnum(c); }

// Whether `word` stands at `at`, and not inside a longer word.
bool stands_at(std::string_view text, size_t at, std::string_view word) {
  if (text.compare(at, word.size(), word) != 0) return false;
  const size_t end = at + word.size();
  const bool open_left = at == 0 || !is_word_byte(text[at - 1]) || !is_word_byte(word.front());
  return open_left && (end == text.size() || !is_word_byte(text[end]) || !is_word_byte(word.back()));
}

WordSwaps from_file(const std::string& path, std::string_view where) {
  WordSwaps swaps;
  const Json object = read_json(path, longest_file, where);
  for (const auto& [from, to] : object.items()) {
    for (const Json& word : to.is_array() ? to : Json::array({to})) {
      if (!word.is_string())
        fail(where, "{}: '{}' stands for {}; give a text or a list of texts", path, from, to.dump());
      swaps.emplace_back(from, word.get<std::string>());
    }
  }
  return swaps;
}

}  // namespace

WordSwaps read_word_swaps(const std::string& text, std::string_view where) {
  WordSwaps swaps;
  if (text.find('>') == std::string::npos && !text.empty()) {
    if (!fs::exists(text)) fail_usage(where, "'{}' is neither FROM>TO;FROM>TO nor a file", text);
    swaps = from_file(text, where);
  } else {
    for (size_t begin = 0; begin < text.size();) {
      const size_t end = std::min(text.find(';', begin), text.size());
      const std::string pair = text.substr(begin, end - begin);
      const size_t at = pair.find('>');
      if (at == std::string::npos) fail_usage(where, "'{}' is no swap; write FROM>TO;FROM>TO", pair);
      swaps.emplace_back(pair.substr(0, at), pair.substr(at + 1));
      begin = end + 1;
    }
  }
  for (const auto& [from, to] : swaps)
    if (from.empty() || to.empty()) fail_usage(where, "a swap of '{}' for '{}'; both must hold a word", from, to);
  return swaps;
}

WordSwaps both_ways(const WordSwaps& swaps) {
  WordSwaps result = swaps;
  for (const auto& [from, to] : swaps) result.emplace_back(to, from);
  return result;
}

std::string swap_words(std::string_view text, const WordSwaps& swaps) {
  std::string result;
  for (size_t at = 0; at < text.size();) {
    const std::pair<std::string, std::string>* best = nullptr;
    for (const auto& swap : swaps)
      if (stands_at(text, at, swap.first) && (!best || swap.first.size() > best->first.size())) best = &swap;
    if (best) {
      result += best->second;
      at += best->first.size();
    } else {
      result += text[at++];
    }
  }
  return result;
}

}  // namespace ken::evidence
