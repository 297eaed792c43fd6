// What an organism's card says of it: how much of its world it learned, and what can be read from it.
#pragma once
#include "ken/study/study.h"

namespace ken::study {

// From the rows of a study of the model's own world, and three probe maps. A figure that cannot be measured is null:
// in a small world a class may be empty.
//   recall_16plus, recall_0     accuracy on facts of persons seen 16 times or more; on persons of no document
//   type_valid                  share of wrong answers that are a value of the relation
//   read_2_distractors          reading past two sentences of the same relation, held-out forms included
//   conflict_context, _memory   whose answer is given when a passage contradicts a known fact
//   intent_context, _memory     the same when told which to use, on pairs that no document disputes
//   slope_held_out              Spearman correlation of exposure with answering from memory, same persons
//   reversal_untrained          the reversed question of known facts that no document reverses
//   l2_gap                      accuracy in the first language minus the second, facts seen 16 times or more
//   seqprob_auroc               of the answer's probability
//   conflict_probe_best, _answer, _embed   AUROC on pairs that no document disputes: best cell chosen on other folds,
//                               best layer at the answer, embedding of the passage's value
//   conflict_probe_unknown      the best cell where the model does not know the fact
//   truefalse_heldout           verdicts on known facts of persons without trained claims
Json organism_figures(const model::Model& model, const data::FactSet& facts, const data::PromptStyle& style,
                      const std::vector<Json>& rows);

}  // namespace ken::study
