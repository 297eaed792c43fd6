// Labelled prompts for whatever reads a model's states: will the answer be right, does the passage contradict memory?
// Shared by probes, lenses and patching methods.
#pragma once
#include "ken/evidence/asking.h"
#include "ken/readout/analysis.h"
#include "ken/readout/collect.h"

namespace ken::evidence {

// Items with their places, and what the answer's own probabilities say (the baseline: higher means label 1).
struct LabelledSet {
  std::vector<readout::Item> items;
  std::vector<int> labels;
  std::vector<std::string> groups;
  std::vector<double> baseline;
  std::vector<Json> extra;  // of the record
  void add(readout::Item item, int label, const std::string& group, double score, const Json& extra);
};

// Label 1: the greedy closed-book answer is right. Places: subject (where most questions hold one), question end,
// answer. Baseline: the answer's probability. At most `max_items`, drawn by the seed.
LabelledSet correctness_set(const readout::AnalysisInput& input, size_t max_items);

// Label 1: the passage contradicts the fact, 0: it agrees; as many of each, of facts that the model answers rightly
// (`known`) or wrongly closed-book. Places: value (in the passage), subject (in the question), answer. Baseline: the
// entropy of the first answer token. An Error where the facts hold no such passages.
LabelledSet conflict_set(const readout::AnalysisInput& input, size_t max_items, bool known);

// Pairs of passages about facts that the model answers rightly (`known`) or wrongly closed-book: one that contradicts
// the fact, and the facts' own passage that agrees with it, or else the same passage with what it says put right. At
// most `max_items` of both kinds together. Places: answer, value (in the passage).
struct PassagePairs {
  LabelledSet set;                     // 1: contradicts, 0: agrees; baseline: entropy of the first answer token
  std::vector<std::string> relations;  // of each item's fact
  std::vector<std::string> followed;   // "context", "memory" or "neither": what the greedy answer went by
  std::vector<std::string> facts;      // ids
};
PassagePairs conflict_pairs(const readout::AnalysisInput& input, size_t max_items, bool known);

// An Error when a class has fewer than `least` items, naming both counts.
void check_classes(const LabelledSet& set, const std::string& where, const std::string& target, size_t least = 20);

}  // namespace ken::evidence
