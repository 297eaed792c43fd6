// Whether generated answers are still what the plain model could have said.
#pragma once
#include "ken/generate/generate.h"

namespace ken::evidence {

struct Fluency {
  // Mean logprobs, nats, under the plain model of the answers' tokens (and of the EOS that ended them): of all, and of
  // those behind the first. The first token says which answer it is, which a Control may be meant to change; the others
  // show whether it is still a whole answer that ends where it should. NaN where there is no such token.
  double all = 0, behind = 0;
};

// Of several prompts for an answer the one that finds it likeliest counts.
Fluency fluency(const model::Model& model, const std::vector<std::vector<generate::Prompt>>& prompts,
                const std::vector<generate::Generated>& answers);

}  // namespace ken::evidence
