// States at the end of a prompt with each of several answers behind it: what a probe reads that judges answers.
#pragma once
#include "ken/base/progress.h"
#include "ken/evidence/options.h"

namespace ken::evidence {

enum class Pool { last, mean };  // the state of an option's last token, or the mean over its tokens

// For each item [options, points, d_model] f32: the state of the option's last token at each point (full names, each of
// d_model numbers a token). Prompts are read once in packed passes, options on forks of their cache.
std::vector<at::Tensor> option_states(const model::Model& model, const std::vector<OptionItem>& items,
                                      const std::vector<std::string>& points, nn::Compute compute,
                                      const Progress& progress = {});
// The same of texts that are tokens already.
std::vector<at::Tensor> option_states(const model::Model& model, const std::vector<OptionTokens>& items,
                                      const std::vector<std::string>& points, Pool pool, nn::Compute compute,
                                      const Progress& progress = {});

}  // namespace ken::evidence
