// Unpaired prompts of two kinds among conflicts: what steering between passage and memory may be fitted on.
#pragma once
#include "ken/evidence/source_choice.h"

namespace ken::evidence {

// Conflicts of the training part that were answered from this source, "context" or "memory", without being told; at
// most n, drawn by the seed.
std::vector<size_t> answered_from(const SourceChoice& choice, const std::string& source, size_t n);

// Prompts of conflicts of the training part that are told to use this source, none of them among the `others`: each
// with one of the facts' own instructions. An Error where the facts hold none.
std::vector<std::vector<int32_t>> told_prompts(const SourceChoice& choice, const std::string& source, size_t n,
                                               const std::vector<size_t>& others);

}  // namespace ken::evidence
