// Questions whose answer is one of a few labels: the answers that the facts of one relation have.
#pragma once
#include "ken/evidence/asking.h"
#include "ken/readout/analysis.h"

namespace ken::evidence {

struct LabelQuestion {
  const data::Fact* fact = nullptr;
  std::shared_ptr<const std::vector<std::string>> labels = {};  // sorted, shared by the relation
  size_t right = 0;                                             // of the labels
};
// Of all facts with an answer whose relation has 2 to `most_labels` different first answers, in the facts' order.
std::vector<LabelQuestion> label_questions(const readout::AnalysisInput& input, size_t most_labels);

// The labels as options behind a prompt, and what their likelihoods say: probabilities that sum to 1 over the labels,
// which may be of different token counts.
OptionItem with_labels(const LabelQuestion& question, const data::PromptStyle& style, std::string prompt);
// As score_options. A set of labels is encoded once: its tokens behind other prompts are the same where its first
// label's are.
std::vector<std::vector<OptionScore>> score_labels(const model::Model& model, const std::vector<OptionItem>& items,
                                                   nn::Compute compute);
std::vector<double> label_probabilities(const std::vector<OptionScore>& scores);
size_t likeliest(const std::vector<double>& probabilities);  // the first of equals

// Of predictions, each a share for every label of its question: how often the largest share is right, its ECE over ten
// bins of equal width, its mean, and the mean F1 over the labels that occur.
struct Quality {
  double accuracy = 0, ece = 0, f1 = 0, confidence = 0;
};
Quality quality(const std::vector<LabelQuestion>& questions, const std::vector<std::vector<double>>& shares);

}  // namespace ken::evidence
