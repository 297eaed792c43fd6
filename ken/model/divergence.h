// How far one model's next-token distributions are from another's: what a smaller type, or a faster way to compute,
// costs. llama.cpp's users know it as perplexity --kl-divergence.
#pragma once
#include "ken/model/model.h"

namespace ken::model {

struct Divergence {
  int64_t tokens = 0;
  double mean = 0, max = 0;  // of KL(reference || other), in nats a token
  double same_first = 0;     // share of tokens after which both find the same next token most likely
};

// Over every position of the texts (token ids, each 1 to context long), one text at a time: from the reference in f32
// to the other model in each way to compute. The vocabularies must agree.
std::vector<Divergence> divergence(const Model& reference, const Model& other, const std::vector<nn::Compute>& computes,
                                   const std::vector<std::vector<int32_t>>& texts);

}  // namespace ken::model
