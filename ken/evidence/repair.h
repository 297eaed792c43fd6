// From which layer on can a fact in the prompt no longer repair a wrong answer? The wrong run's state of the last token
// is put into a run that reads the fact, at each layer in turn.
#pragma once
#include "ken/evidence/contest.h"

namespace ken::evidence {

struct Repairs {
  std::vector<size_t> items;  // which contests: failed ones whose fact, stated before the question, gives the answer
  at::Tensor restored;  // [items, n_layers + 1] bool: with the wrong state of this layer the right token comes out
};

// states [contests, n_layers + 1, d]: of each contest's last token, as last_states() gives them. At most `most` items.
// What the fact's run reads before the last token is computed once; each layer is a pass over one token an item.
Repairs find_repairs(const readout::AnalysisInput& input, const std::vector<Contest>& contests,
                     const at::Tensor& states, size_t most);

// The last layer up to which every state was repaired, of each item.
std::vector<int64_t> last_repaired(const Repairs& repairs);

}  // namespace ken::evidence
