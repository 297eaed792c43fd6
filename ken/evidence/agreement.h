// How much two texts of tokens have in common.
#pragma once
#include "ken/generate/generate.h"

namespace ken::evidence {

// 1 - the least number of insertions, deletions and replacements / the length of the longer text; of two empty texts 1.
double agreement(std::span<const int32_t> a, std::span<const int32_t> b);

// Text i with the tokens of the name to[i] in the place of those of from[i], token by token as far as both go.
std::vector<generate::Generated> renamed(const text::Tokenizer& tokenizer, std::vector<generate::Generated> texts,
                                         const std::vector<std::string>& from, const std::vector<std::string>& to);

// The mean over pairs of texts, of their tokens from `from` on; pairs in which one ended before are left out. NaN: none
// is left.
double mean_agreement(const std::vector<generate::Generated>& a, const std::vector<generate::Generated>& b,
                      size_t from = 0);
// The share of pairs that are equal token by token.
double identical(const std::vector<generate::Generated>& a, const std::vector<generate::Generated>& b);

}  // namespace ken::evidence
