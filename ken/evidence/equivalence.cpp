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

// An answer as the rules read it. Numbers are read from the text as it was: normalisation takes the decimal point away.
struct Answer {
  explicit Answer(const std::string& text)
      : raw(text),
        normal(data::normalize_answer(text)),
        number(number_of(without_marks(text))),
        words(words_of(normal)),
        all(words.begin(), words.end()) {}
  bool holds(const Answer& other) const {
    return std::includes(all.begin(), all.end(), other.all.begin(), other.all.end());
  }
  std::string raw, normal;
  std::optional<double> number;
  std::vector<std::string> words;
  std::set<std::string> all;
};

// Rule 3: the shorter's words are all in the longer, and what the longer adds is harmless.
bool contains(const Answer& shorter, const Answer& longer) {
  if (shorter.words.empty() || shorter.words.size() >= longer.words.size() || !longer.holds(shorter)) return false;
  for (const auto& word : longer.words)
    if (!shorter.all.count(word) && (has_digit(word) || negates(word))) return false;
  const auto head = std::search(longer.words.begin(), longer.words.end(), shorter.words.begin(), shorter.words.end());
  const auto raw = words_of(longer.raw);
  if (head == longer.words.end() || raw.size() != longer.words.size()) return true;
  const size_t after = size_t(head - longer.words.begin()) + shorter.words.size();
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

// The rule that joins x and y; empty: none.
std::string rule_of(const Answer& x, const Answer& y) {
  if (x.number && y.number) {
    const double a = *x.number, b = *y.number;
    return std::abs(a - b) <= 1e-6 * std::max(std::abs(a), std::abs(b)) ? "number" : "";
  }
  if (x.normal == y.normal) return "equal";
  if (x.number || y.number) return "";
  if (contains(x, y) || contains(y, x)) return "containment";
  // Where one holds all words of the other, rule 3 has decided; overlap is for wordings that differ on both sides.
  return !x.holds(y) && !y.holds(x) && token_f1(x.words, y.words) >= 0.7 ? "overlap" : "";
}

double jaccard(const Answer& x, const Answer& y) {
  size_t shared = 0;
  for (const auto& word : x.all) shared += y.all.count(word);
  const size_t all = x.all.size() + y.all.size() - shared;
  return all == 0 ? 1.0 : double(shared) / double(all);
}

}  // namespace

std::string same_meaning(const std::string& a, const std::string& b) { return rule_of(Answer(a), Answer(b)); }

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
  std::map<std::string, size_t> places;  // samples repeat each other: each wording is read once
  std::vector<size_t> wording;
  std::vector<Answer> answers;
  std::vector<bool> accepted;
  for (const auto& text : texts) {
    const auto [place, is_new] = places.emplace(text, answers.size());
    wording.push_back(place->second);
    if (!is_new) continue;
    answers.emplace_back(text);
    accepted.push_back(judge == "aliases" && data::same_answer(text, aliases));
  }
  const auto compared = [&](size_t i, size_t j) {
    if (judge == "jaccard") return jaccard(answers[i], answers[j]);
    return accepted[i] && accepted[j] ? 1.0 : double(!rule_of(answers[i], answers[j]).empty());
  };
  const size_t n = texts.size(), m = answers.size();
  std::vector<double> known(m * m, 1);
  for (size_t i = 0; i < m; ++i)
    for (size_t j = 0; j < i; ++j) known[i * m + j] = known[j * m + i] = compared(i, j);
  std::vector<std::vector<double>> result(n, std::vector<double>(n));
  for (size_t i = 0; i < n; ++i)
    for (size_t j = 0; j < n; ++j) result[i][j] = known[wording[i] * m + wording[j]];
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
