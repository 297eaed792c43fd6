// Facts that a model answers rightly, as prompts with the token of the answer and of an alternative: what attribution
// and patching are done on.
#pragma once
#include "ken/evidence/asking.h"
#include "ken/readout/analysis.h"
#include "ken/readout/attribution.h"

namespace ken::evidence {

struct KnownItem {
  const data::Fact* fact;
  std::string prompt;
  std::vector<int32_t> tokens;
  readout::Contrast answer;   // its first token, and the second likeliest
  size_t partner = SIZE_MAX;  // another item: its prompt is as long, its answer begins otherwise
};

// Those of at most `max_items` facts, drawn by the seed, that the greedy closed-book answer gets right. An Error where
// there are none.
std::vector<KnownItem> known_items(const readout::AnalysisInput& input, size_t max_items);
// The partner of each item is the next one of its relation that fits.
void find_partners(std::vector<KnownItem>& items);
// Only items with a partner, whose answer becomes the alternative. An Error where none is left.
void against_partners(std::vector<KnownItem>& items);

}  // namespace ken::evidence
