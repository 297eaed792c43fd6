// Worked examples for estimators that show a different one each time, whatever the style itself shows.
#pragma once
#include "ken/data/facts.h"
#include "ken/data/prompts.h"

namespace ken::evidence {

// The style, with up to `count` of the facts as examples where it has none; `shots` stays as it is.
data::PromptStyle with_examples(data::PromptStyle style, const data::FactSet& facts, uint64_t seed, size_t count = 24);

// The style as it shows one example: the `number`th, so that numbers give different prompts while examples last.
data::PromptStyle one_shot(data::PromptStyle style, size_t number);

}  // namespace ken::evidence
