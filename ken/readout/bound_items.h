// Passages that bind values to subjects as a model reads them: prompts, aligned counterparts, and where the words
// stand.
#pragma once
#include "ken/data/binding.h"
#include "ken/readout/analysis.h"

namespace ken::readout {

// Items as tokens, aligned with their counterparts, and where their words stand.
struct BoundItems {
  using Prompts = std::vector<std::vector<int32_t>>;
  Prompts base, moved, revalued, relabelled;
  std::vector<Prompts> unbound;  // `refills` of each item
  // What base is answered with, and what if the place, the value or the label alone came from the counterpart.
  std::vector<int32_t> right, moved_to, revalued_to, relabelled_to;
  std::vector<int64_t> last, asked, subject, value;  // tokens: the end, the question's subject, the passage's words
  size_t size() const { return base.size(); }
  BoundItems part(size_t begin, size_t end) const;  // items begin .. end
};

// At most `most` passages of `sentences` statements. An Error where fewer than forty can be made.
BoundItems bound_items(const AnalysisInput& input, size_t sentences, size_t most);

}  // namespace ken::readout
