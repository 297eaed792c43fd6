#include "ken/evidence/agreement.h"

#include <algorithm>
#include <numeric>

namespace ken::evidence {

double agreement(std::span<const int32_t> a, std::span<const int32_t> b) {
  if (a.empty() && b.empty()) return 1;
  std::vector<size_t> row(b.size() + 1);  // distances of a's beginning to each beginning of b
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t corner = std::exchange(row[0], i);
    for (size_t j = 1; j <= b.size(); ++j)
      corner = std::exchange(row[j], std::min({row[j] + 1, row[j - 1] + 1, corner + (a[i - 1] != b[j - 1])}));
  }
  return 1 - double(row.back()) / double(std::max(a.size(), b.size()));
}

std::vector<generate::Generated> renamed(const text::Tokenizer& tokenizer, std::vector<generate::Generated> texts,
                                         const std::vector<std::string>& from, const std::vector<std::string>& to) {
  for (size_t i = 0; i < texts.size(); ++i) {
    const auto before = tokenizer.encode(from[i]), after = tokenizer.encode(to[i]);
    for (int32_t& token : texts[i].tokens) {
      const size_t k = size_t(std::find(before.begin(), before.end(), token) - before.begin());
      if (k < std::min(before.size(), after.size())) token = after[k];
    }
  }
  return texts;
}

double mean_agreement(const std::vector<generate::Generated>& a, const std::vector<generate::Generated>& b,
                      size_t from) {
  double sum = 0, n = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    const std::span<const int32_t> x(a[i].tokens), y(b[i].tokens);
    if (x.size() < from || y.size() < from) continue;
    sum += agreement(x.subspan(from), y.subspan(from)), n += 1;
  }
  return n > 0 ? sum / n : NAN;
}

double identical(const std::vector<generate::Generated>& a, const std::vector<generate::Generated>& b) {
  double n = 0;
  for (size_t i = 0; i < a.size(); ++i) n += a[i].tokens == b[i].tokens;
  return n / double(a.size());
}

}  // namespace ken::evidence
