// Copying from a passage against memory: a task whose answer is fixed while the model's prior over answers pulls
// another way, and how a model does on it.
#pragma once
#include "ken/evidence/contest.h"

namespace ken::evidence {

using at::Tensor;

// The passage's answer (right) against the one that this model gives without the passage (wrong), true or not.
struct Copying {
  std::vector<Contest> contests;
  std::vector<double> prior;        // log p(wrong | the question alone), where the two answers part
  std::vector<double> frequency;    // log of 1 + how many facts have the wrong answer
  std::vector<size_t> fit, judged;  // two thirds and one third of the groups
};
// From conflict cases without an instruction; an Error where there are fewer than 60.
Copying copying_against_memory(const readout::AnalysisInput& input, size_t max_items);

// How a model does on some of these items, and on what it should not lose.
class CopyJudge {
 public:
  struct Result {
    double accuracy = 0, high = 0, low = 0;  // shares right: of all, of the higher half of priors, of the lower
    double correlation = 0;                  // Spearman of error and prior; 0 where all or none are right
    double recall = 0, memory = 0;           // closed-book; passages that it is told to leave aside; NaN: none
    int64_t n = 0, right = 0;
  };
  // Side effects on at most `side_items` facts of the judged groups, and as many passages.
  CopyJudge(const readout::AnalysisInput& input, const Copying& items, size_t side_items);
  // With controls, or with an instruction between passage and question.
  Result operator()(const model::Model& model, const std::vector<size_t>& which,
                    const std::vector<generate::ControlSpec>& controls, const std::string& instruction = "") const;

 private:
  struct Asked {
    std::vector<generate::Request> requests;
    std::vector<std::vector<std::string>> answers;
  };
  double share(const model::Model& model, const Asked& asked, const std::vector<generate::ControlSpec>& how) const;

  const readout::AnalysisInput& input_;
  const Copying& items_;
  Asked recall_, memory_;
};

}  // namespace ken::evidence
