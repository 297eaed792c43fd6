// Sentences that a model writes beside a passage, labelled by rule: does what it states stand in the passage?
#pragma once
#include "ken/evidence/labelled.h"

namespace ken::evidence {

// Labels: 1 = hallucinated; one place, the sentence's last token; baseline: -mean log p of the sentence.
struct GroundingSet {
  LabelledSet set;
  std::vector<std::string> kinds;  // of the passage; "exchanged": it belongs to another question
  std::vector<char> answerable;    // whether the passage holds an answer
};

// Greedy answers beside passages, half of `max_items` prompts with an answer in the passage and half without; the
// latter are the facts' own and questions that stand beside another one's passage. Answerable: what the passage does
// not say is hallucinated (it conflicts, or is true and not grounded, or answers nothing). Unanswerable: what is
// stated, unless it is said that there is no answer or, where `truth` counts, it is true.
GroundingSet grounding_set(const readout::AnalysisInput& input, size_t max_items, bool truth);

}  // namespace ken::evidence
