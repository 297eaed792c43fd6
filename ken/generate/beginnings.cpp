#include "ken/generate/beginnings.h"

#include <algorithm>

namespace ken::generate {

size_t common_beginning(const std::vector<int32_t>& a, const std::vector<int32_t>& b) {
  const size_t n = std::min(a.size(), b.size());
  return size_t(std::mismatch(a.begin(), a.begin() + long(n), b.begin()).first - a.begin());
}

std::pair<int, size_t> Beginnings::fork(const std::vector<int32_t>& tokens) {
  Beginning* best = nullptr;
  size_t common = size_t(least) - 1;
  for (auto& beginning : all_)
    if (const size_t n = common_beginning(tokens, beginning.tokens); n > common) best = &beginning, common = n;
  if (!best) return {cache_.open(), 0};
  best->used = ++uses_;
  const size_t n = std::min(common, tokens.size() - 1);
  const int sequence = cache_.fork(best->sequence);
  cache_.truncate(sequence, int64_t(n));
  return {sequence, n};
}

void Beginnings::add(std::vector<int32_t> tokens, int sequence) {
  if (int64_t(tokens.size()) < least) return cache_.close(sequence);
  cache_.truncate(sequence, int64_t(tokens.size()));
  std::erase_if(all_, [&](const Beginning& old) {
    const bool within = common_beginning(old.tokens, tokens) == old.tokens.size();
    if (within) cache_.close(old.sequence);
    return within;
  });
  all_.push_back({std::move(tokens), sequence, ++uses_});
}

void Beginnings::shrink(int64_t tokens) {
  constexpr int64_t block = nn::KvCache::block;
  const auto taken = [](const Beginning& b) { return (int64_t(b.tokens.size()) + block - 1) / block * block; };
  int64_t kept = 0;
  for (const auto& beginning : all_) kept += taken(beginning);
  while (!all_.empty() && (kept > tokens || all_.size() > most)) {
    const auto oldest =
        std::min_element(all_.begin(), all_.end(), [](const auto& a, const auto& b) { return a.used < b.used; });
    kept -= taken(*oldest);
    cache_.close(oldest->sequence);
    all_.erase(oldest);
  }
}

}  // namespace ken::generate
