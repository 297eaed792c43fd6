// Contrast pairs: two prompts of equal length that differ in the fact alone, for patching between their passes.
#pragma once
#include <functional>

#include "ken/data/facts.h"
#include "ken/data/prompts.h"

namespace ken::data {

struct ContrastPair {
  std::string id, relation, group;
  std::string clean, corrupt;                // prompts, tokens aligned one to one
  std::string clean_answer, corrupt_answer;  // what each asks for
};

// The tokens of a prompt: they must align.
using Encode = std::function<std::vector<int32_t>(const std::string& prompt)>;

// Each fact with another of its relation whose answer differs and whose question has as many tokens, with the same ones
// around the subject (symmetric token replacement, Zhang and Nanda, arXiv 2309.16042). At most `limit`, drawn by
// `seed`; facts without a partner are left out.
std::vector<ContrastPair> subject_pairs(const FactSet& facts, const PromptStyle& style, const Encode& encode,
                                        uint64_t seed, size_t limit);

// Each passage of one of `kinds` ("conflict", "reading", ...) whose words hold its answer, with the same passage
// holding another answer of the relation: they differ in the passage's value alone. As above.
std::vector<ContrastPair> passage_pairs(const FactSet& facts, const PromptStyle& style,
                                        const std::vector<std::string>& kinds, const Encode& encode, uint64_t seed,
                                        size_t limit);

// A file's records {clean, corrupt, answer, corrupt_answer, id?, relation?, group?}. Pairs of unequal length are an
// Error that names the line.
std::vector<ContrastPair> read_pairs(const fs::path& path, const Encode& encode);

}  // namespace ken::data
