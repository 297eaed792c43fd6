#include "ken/evidence/names.h"

#include <regex>
#include <sstream>
#include <vector>

#include "ken/data/facts.h"

namespace ken::evidence {
namespace {

constexpr size_t longest_name = 5;  // words

}  // namespace

std::set<std::string> names_in(const std::string& reply, bool surnames) {
  static const std::regex head("^\\s*authors?\\s*:", std::regex::icase),
      between("[,;&\n]|\\band\\b", std::regex::icase);
  static const std::set<std::string> none = {"unknown", "none", "not known", "i dont know"};
  const std::string list = std::regex_replace(reply, head, "");
  std::set<std::string> names;
  for (std::sregex_token_iterator part(list.begin(), list.end(), between, -1), end; part != end; ++part) {
    const std::string name = data::normalize_answer(part->str());
    std::istringstream stream(name);
    std::vector<std::string> words;
    for (std::string word; stream >> word;) words.push_back(word);
    if (words.empty() || words.size() > longest_name || none.count(name)) continue;
    names.insert(surnames ? words.end() - 1 : words.begin(), words.end());
  }
  return names;
}

double shared_names(const std::set<std::string>& a, const std::set<std::string>& b) {
  size_t both = 0;
  for (const auto& name : a) both += b.count(name);
  return both ? double(both) / double(a.size() + b.size() - both) : 0;
}

}  // namespace ken::evidence
