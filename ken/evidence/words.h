#pragma once
#include <sstream>
#include <string>
#include <vector>

namespace ken::evidence {

// What stands between white space.
inline std::vector<std::string> words_of(const std::string& text) {
  std::istringstream in(text);
  std::vector<std::string> words;
  for (std::string word; in >> word;) words.push_back(word);
  return words;
}

}  // namespace ken::evidence
