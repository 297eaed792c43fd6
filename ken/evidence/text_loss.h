// What steering costs on running text that it was not meant for.
#pragma once
#include "ken/readout/analysis.h"

namespace ken::evidence {

// Mean cross-entropy of the next token, nats, over the texts from `first` on, `count` of them at most, each read in one
// pass under these taps: what a tap that changes every row does to each token as it would be decoded.
double text_loss(const model::Model& model, const data::Texts& texts, int64_t first, int64_t count,
                 const std::vector<model::Tap>& taps, nn::Compute compute);
// The share by which the perplexity of some of the input's texts rises under these taps.
double perplexity_rise(const readout::AnalysisInput& input, int64_t first, int64_t count,
                       const std::vector<model::Tap>& taps);

}  // namespace ken::evidence
