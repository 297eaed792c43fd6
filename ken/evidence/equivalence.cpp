#include "ken/evidence/equivalence.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <map>
#include <numeric>
#include <optional>
#include <set>

#include "ken/data/facts.h"
#include "ken/evidence/words.h"

namespace ken::evidence {
namespace {

std::optional<double> number_of(const std::string& text) {
  if (text.empty()) return std::nullopt;
  char* end = nullptr;
  const double value = std::strtod(text.c_str(), &end);
  return *end == 0 && std::isfinite(value) ? std::optional<double>(value) : std::nullopt;
}

std::string without_marks(const std::string& text) {
  const size_t first = text.find_first_not_of(" \t\n"), last = text.find_last_not_of(" \t\n.,");
  return first == std::string::npos || last == std::string::npos ? "" : text.substr(first, last - first + 1);
}

bool has_digit(const std::string& word) { return word.find_first_of("0123456789") != std::string::npos; }

bool negates(const std::string& word) {
  static const std::set<std::string> negations{"not", "no", "never", "none", "neither", "nor", "without", "cannot"};
  return negations.count(word) > 0;
}

// Rule 3: the shorter's words are all in the longer, and what the longer adds is harmless.
bool contains(const std::vector<std::string>& shorter, const std::vector<std::string>& longer,
              const std::string& longer_raw) {
  if (shorter.empty() || shorter.size() >= longer.size()) return false;
  const std::set<std::string> all(longer.begin(), longer.end()), part(shorter.begin(), shorter.end());
  if (!std::includes(all.begin(), all.end(), part.begin(), part.end())) return false;
  for (const auto& word : longer)
    if (!part.count(word) && (has_digit(word) || negates(word))) return false;
  const auto head = std::search(longer.begin(), longer.end(), shorter.begin(), shorter.end());
  const auto raw = words_of(longer_raw);
  if (head == longer.end() || raw.size() != longer.size()) return true;
  const size_t after = size_t(head - longer.begin()) + shorter.size();
  return after >= raw.size() || !(raw[after][0] >= 'A' && raw[after][0] <= 'Z');
}

double token_f1(const std::vector<std::string>& a, const std::vector<std::string>& b) {
  if (a.empty() || b.empty()) return 0;
  std::map<std::string, int> count;
  for (const auto& word : a) ++count[word];
  int shared = 0;
  for (const auto& word : b) shared += count[word]-- > 0;
  return 2.0 * shared / double(a.size() + b.size());
}

}  // namespace

std::string same_meaning(const std::string& a, const std::string& b) {
  const std::string x = data::normalize_answer(a), y = data::normalize_answer(b);
  // Numbers are read from the text as it was: normalisation takes the decimal point away.
  const auto nx = number_of(without_marks(a)), ny = number_of(without_marks(b));
  if (nx && ny) return std::abs(*nx - *ny) <= 1e-6 * std::max(std::abs(*nx), std::abs(*ny)) ? "number" : "";
  if (x == y) return "equal";
  if (nx || ny) return "";
  const auto wx = words_of(x), wy = words_of(y);
  if (contains(wx, wy, b) || contains(wy, wx, a)) return "containment";
  // Where one holds all words of the other, rule 3 has decided; overlap is for wordings that differ on both sides.
  const std::set<std::string> sx(wx.begin(), wx.end()), sy(wy.begin(), wy.end());
  const bool nested = std::includes(sx.begin(), sx.end(), sy.begin(), sy.end()) ||
                      std::includes(sy.begin(), sy.end(), sx.begin(), sx.end());
  return !nested && token_f1(wx, wy) >= 0.7 ? "overlap" : "";
}

std::vector<int> cluster_answers(const std::vector<std::vector<double>>& similarity, double least) {
  const size_t n = similarity.size();
  std::vector<size_t> root(n);
  std::iota(root.begin(), root.end(), size_t{0});
  const auto find = [&](size_t i) {
    while (root[i] != i) i = root[i] = root[root[i]];
    return i;
  };
  for (size_t i = 0; i < n; ++i)
    for (size_t j = 0; j < i; ++j)
      if (find(i) != find(j) && similarity[i][j] >= least)
        root[std::max(find(i), find(j))] = std::min(find(i), find(j));
  std::vector<int> cluster(n);
  std::map<size_t, int> number;
  for (size_t i = 0; i < n; ++i) cluster[i] = number.emplace(find(i), int(number.size())).first->second;
  return cluster;
}

std::vector<int> cluster_answers(const std::vector<std::string>& answers) {
  return cluster_answers(text_similarity(answers, "rules", {}), 0.5);
}

std::vector<std::vector<double>> text_similarity(const std::vector<std::string>& texts, const std::string& judge,
                                                 const std::vector<std::string>& aliases) {
  const size_t n = texts.size();
  std::vector<bool> accepted(n);
  std::vector<std::set<std::string>> words(n);
  for (size_t i = 0; i < n; ++i) {
    accepted[i] = judge == "aliases" && data::same_answer(texts[i], aliases);
    const auto all = words_of(data::normalize_answer(texts[i]));
    words[i] = {all.begin(), all.end()};
  }
  const auto jaccard = [&](size_t i, size_t j) {
    size_t shared = 0;
    for (const auto& word : words[i]) shared += words[j].count(word);
    const size_t all = words[i].size() + words[j].size() - shared;
    return all == 0 ? 1.0 : double(shared) / double(all);
  };
  std::map<std::pair<std::string, std::string>, double> known;  // samples repeat each other
  std::vector<std::vector<double>> result(n, std::vector<double>(n, 1));
  for (size_t i = 0; i < n; ++i)
    for (size_t j = 0; j < i; ++j) {
      const auto [place, is_new] = known.emplace(std::minmax(texts[i], texts[j]), 0);
      if (is_new)
        place->second = judge == "jaccard"           ? jaccard(i, j)
                        : accepted[i] && accepted[j] ? 1.0
                                                     : double(!same_meaning(texts[i], texts[j]).empty());
      result[i][j] = result[j][i] = place->second;
    }
  return result;
}

double rouge_l(const std::string& a, const std::string& b) {
  const auto x = words_of(data::normalize_answer(a)), y = words_of(data::normalize_answer(b));
  if (x.empty() && y.empty()) return 1;
  std::vector<size_t> row(y.size() + 1, 0);  // longest common subsequence of a prefix of x and each prefix of y
  for (const auto& word : x)
    for (size_t j = 1, corner = 0; j <= y.size(); ++j) {
      const size_t above = row[j];
      row[j] = word == y[j - 1] ? corner + 1 : std::max(above, row[j - 1]);
      corner = above;
    }
  return 2.0 * double(row[y.size()]) / double(x.size() + y.size());
}

}  // namespace ken::evidence
