// Pairs of prompts that differ in a behaviour: what control vectors are fitted on.
#pragma once
#include "ken/readout/analysis.h"
#include "ken/readout/collect.h"

namespace ken::evidence {

// Items with one place each, the prompt's last token; pair i stands at i of both.
struct BehaviourPairs {
  std::vector<readout::Item> positive, negative;
  std::vector<std::string> groups;
};

// A file's records {positive, negative}; without one at most `most` of the facts' passages, each with its question
// under the instruction to use the passage (positive) and to use memory. An Error for fewer than ten.
BehaviourPairs behaviour_pairs(const readout::AnalysisInput& input, const std::string& file, size_t most);

}  // namespace ken::evidence
