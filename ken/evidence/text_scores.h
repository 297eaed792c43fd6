// How likely a text is, token by token, with what else could have stood there.
#pragma once
#include "ken/generate/generate.h"

namespace ken::evidence {

struct TextScores {
  std::vector<double> logprobs;  // of each token given those before it, nats; NaN: the first has none
  std::vector<std::vector<generate::Alternative>> alternatives;  // the likeliest at each place; none at the first
};

// Of texts that are tokens already, one or more each. Logits exist for a few rows at a time. The same numbers as
// score_tokens() gives a text's tokens after its first.
std::vector<TextScores> score_texts(const model::Model& model, const std::vector<std::vector<int32_t>>& texts,
                                    int64_t alternatives, nn::Compute compute);

}  // namespace ken::evidence
