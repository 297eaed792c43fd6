// Log-likelihood of option texts after a prompt: what multiple-choice questions and true/false questions are scored by.
#pragma once
#include <string>
#include <vector>

#include "ken/generate/control.h"

namespace ken::evidence {

struct OptionItem {
  std::string prompt;
  std::vector<std::string> options;                   // texts that go on where the prompt ends; " Paris" with its blank
  std::shared_ptr<const text::ChatTokens> chat = {};  // set: the prompt is a rendered chat (guarded text)
};

struct OptionScore {
  double logprob = 0;  // nats, summed over the option's tokens
  int64_t tokens = 0;
  bool greedy = false;                 // each of its tokens was the likeliest one
  size_t bytes = 0;                    // of its text without leading blanks: a length that no tokenizer changes
  std::vector<double> logprobs = {};   // of each token, nats
  std::vector<double> entropies = {};  // of the distributions that the tokens are drawn from, nats; where asked for
};

// What the model reads for one item, cut as lm-evaluation-harness cuts it: trailing blanks of the prompt go to the
// option, prompt and option are encoded together, and the prompt is as many of those tokens as it has alone. An empty
// prompt is BOS, or EOS where the tokenizer has no BOS. Errors begin with `where`: no option, an option without a token
// of its own, a text longer than the model's context.
struct OptionTokens {
  std::vector<int32_t> prompt;
  std::vector<std::vector<int32_t>> options;
};
// A chat's prompt is taken as it is, blanks at its end included.
OptionTokens option_tokens(const model::Model& model, const OptionItem& item, const std::string& where);

// Scores of each item's options, in order. The prompts of a group of items are read in one pass, what they begin with
// in common only once; then all options in passes of their own, on forks of their prompt's cache. Logits exist for a
// few rows at a time. Results do not depend on what else is asked (to the arithmetic's rounding).
std::vector<std::vector<OptionScore>> score_options(const model::Model& model, const std::vector<OptionItem>& items,
                                                    nn::Compute compute);
// The same of texts that are tokens already: what was generated, after another prompt. No text is known, so `bytes`
// stays 0.
std::vector<std::vector<OptionScore>> score_tokens(const model::Model& model, const std::vector<OptionTokens>& items,
                                                   nn::Compute compute, bool entropies = false);

}  // namespace ken::evidence
