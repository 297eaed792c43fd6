// Chains of steps before an answer: how they are written, where their steps end, whether the steps are right, and what
// the model would answer after each.
#pragma once
#include "ken/evidence/label_sets.h"

namespace ken::evidence {

struct ChainForm {
  std::string opening = "Q: {question}\nLet's think step by step.\n";  // what a chain goes on from
  std::string cue = "\nThe answer is";                                 // asks for the answer; ends a chain
  std::string steps = "lines";                                         // or "sentences", "words": where a step ends
  int64_t max_tokens = 160;
};

// The text up to the end of each step; blanks between steps stay.
std::vector<std::string> step_ends(const std::string& chain, const std::string& steps);

// The accepted answers of the steps that lead to a fact: those of the facts named by its field `hops`, then its own,
// where the last hop does not give it.
using StepTruth = std::vector<std::vector<std::string>>;
StepTruth step_truth(const data::FactSet& facts, const data::Fact& fact);
// Whether the chain makes these steps in their order. Where steps are words, nothing else may stand between them; in
// sentences and lines each must be named.
bool sound_chain(const std::string& chain, const StepTruth& truth, const std::string& steps);

// The answer and its probability after the first 0 ... n steps, and the probability there of the answer after all.
struct Curve {
  std::vector<size_t> answers;  // labels
  std::vector<double> sure, belief = {};
  size_t steps() const { return answers.size() - 1; }
  bool early() const { return answers.front() == answers.back(); }
  size_t switches() const;
  size_t settled() const;  // the first step from which the answer stays
  double least() const;
};

struct Chain {
  std::string text;
  Curve curve;
};
// Of each question the greedy chain, then `samples` sampled ones. Before the first step the question is asked in the
// style's own form.
std::vector<std::vector<Chain>> probed_chains(const readout::AnalysisInput& input,
                                              const std::vector<LabelQuestion>& questions, const ChainForm& form,
                                              int64_t samples, double temperature);

}  // namespace ken::evidence
