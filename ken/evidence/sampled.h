// Several sampled answers of a question, and ways to choose one of them: what a model could have said.
#pragma once
#include "ken/evidence/exact_answer.h"
#include "ken/readout/collect.h"
#include "ken/readout/probe.h"

namespace ken::evidence {

// Of each question R sampled answers with what they say together, and a probe's score of each.
struct Sampled {
  std::vector<std::vector<LongAnswer>> answers;
  std::vector<std::vector<double>> scores;  // -infinity: no answer can be told
  std::vector<Resampled> counts;
};
struct SampleOptions {
  int64_t samples = 30;
  double temperature = 1;
};
Sampled sample_answers(const readout::AnalysisInput& input, const std::vector<OpenFact>& asked,
                       const SampleOptions& options);

// The answer's state at its last exact token: what a probe is trained on and judges by.
readout::Item at_last_exact(const readout::AnalysisInput& input, const OpenFact& asked, const LongAnswer& answer);

// Scores each different answer at its last exact token by logistic probes that were fitted on the greedy answers
// (states [questions, d] at `point`, labels) of other groups; `on_samples`: on their sampled answers as well.
void score_samples(const readout::AnalysisInput& input, const std::vector<OpenFact>& asked, const at::Tensor& greedy,
                   const std::vector<int>& labels, const std::string& point, bool on_samples,
                   const readout::FitOptions& options, Sampled& sampled);

// How often each way to choose is right over the questions `of`: {n, greedy, random, majority, oracle, probe}. Majority
// is right where the right answers outnumber the largest wrong cluster, the oracle where any sample is right.
Json choices(const Sampled& sampled, const std::vector<int>& greedy_right, const std::vector<size_t>& of);

}  // namespace ken::evidence
