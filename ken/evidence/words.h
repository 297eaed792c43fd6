#pragma once
#include <algorithm>
#include <string>
#include <vector>

namespace ken::evidence {

// What stands between white space.
inline std::vector<std::string> words_of(const std::string& text) {
  constexpr auto white = " \t\n\v\f\r";
  std::vector<std::string> words;
  for (size_t at = text.find_first_not_of(white); at < text.size();) {
    const size_t end = std::min(text.find_first_of(white, at), text.size());
    words.push_back(text.substr(at, end - at));
    at = text.find_first_not_of(white, end);
  }
  return words;
}

}  // namespace ken::evidence
