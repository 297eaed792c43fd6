// Facts that better known ones overshadow (arXiv 2407.08039, 2502.16143): two conditions in a question, none of which
// tells alone, and one of which is far more often met with another answer.
#pragma once
#include <span>
#include <string>
#include <vector>

#include "ken/data/facts.h"

namespace ken::evidence {

struct Word {
  size_t begin, end;  // bytes
};
// Content words of the last occurrence of `part` in `text` (of all of it, where there is none), at most `most`, the
// last ones. English function words are left out: without them a question breaks, and nothing is left out of it.
std::vector<Word> content_words(const std::string& text, const std::string& part, size_t most);

// A fact and the best known other one with the same relation and a word of the subject in common, with another answer.
struct Overshadowed {
  const data::Fact *fact, *other;
  double log_ratio() const;  // of their exposures
};

// Facts with an exposure, each with one that is better known; at most `most`, drawn by the seed. An Error where there
// are fewer than 40.
std::vector<Overshadowed> overshadowed(const data::FactSet& set, size_t most, uint64_t seed);

// The law: wrong answers, and answers that are the better known fact's, by quarters of the log ratio, {log_ratio,
// wrong, better_known}; the rank correlation of ratio and error, and what is left of it where the fact itself is about
// equally known (the mean over quarters of its exposure).
Json overshadowing_law(const std::vector<Overshadowed>& pairs, std::span<const int> wrong, std::span<const int> others);

}  // namespace ken::evidence
