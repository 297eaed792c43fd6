// Span uncertainty (UncertaintyRAG, arXiv 2410.02719): how easily one text follows another, by the model's
// probabilities of the tokens that stand there.
#pragma once
#include "ken/evidence/options.h"

namespace ken::evidence {

// A text with candidates to follow it; the probabilities of the tokens of both, once they are scored.
struct PairScores {
  size_t anchor = 0;                             // index of the text
  std::vector<size_t> candidates = {};           // indices of texts
  std::vector<double> own = {};                  // p_t of the anchor's tokens
  std::vector<std::vector<double>> behind = {};  // p_t of each candidate's tokens, read behind the anchor
  std::vector<double> whole(size_t candidate) const;
};

// Fills in the probabilities: each anchor is read once, its candidates on forks of its cache. Candidates that do not
// fit the model's context behind their anchor are left out.
std::vector<PairScores> score_pairs(const model::Model& model, const std::vector<std::string>& texts,
                                    std::vector<PairScores> pairs, nn::Compute compute);

// The SNR below which this share of all windows of all pairs lies; 0 where no pair is as long as a window.
double settling_snr(const std::vector<PairScores>& pairs, int64_t window, double share);

}  // namespace ken::evidence
