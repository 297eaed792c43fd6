// The one decode loop: rows of different length, samplers and Controls share a pass; prefill and decode mix; samples of
// one prompt fork its cache; what prompts begin with in common (worked examples) is computed once; results do not
// depend on what else is in the batch (to the arithmetic's rounding).
#pragma once
#include "ken/base/progress.h"
#include "ken/generate/control.h"
#include "ken/generate/sampler.h"

namespace ken::generate {

struct Generated;

// New text of a sample, whole UTF-8 characters only, and what there is of the sample so far.
struct Piece {
  size_t sample;
  const std::string& text;
  const Generated& so_far;
};

struct Request {
  Prompt prompt;
  std::vector<int32_t> tokens;  // instead of prompt.text, if not empty
  Sampling sampling;
  int64_t max_tokens = 16;
  int64_t samples = 1;
  std::vector<std::string> stop;  // the text ends before any of these
  std::vector<int32_t> ends;      // tokens that end it, beside EOS: the end of a turn
  bool ignore_eos = false;        // EOS is a token like any other
  std::vector<ControlSpec> controls;
  int64_t alternatives = 0;  // how many of the likeliest tokens are kept at each step
  uint64_t key = 0;          // identifies the request in the noise: sample j draws from sequence (key, j)
  std::function<void(const Piece&)> on_text;  // called with each new piece of text, in order within a sample
};

struct Generated {
  std::vector<int32_t> tokens;      // without EOS
  std::vector<double> logprobs;     // of each token, and of EOS last if it ended the text: nats, before temperature
  std::vector<double> entropies;    // of the distribution each was chosen from: nats
  std::vector<double> margins;      // probability of the likeliest minus the second
  std::vector<double> certainties;  // self-certainty, KL(uniform || distribution): nats
  std::vector<std::vector<Alternative>> alternatives;  // of each token, where the request asks for them
  std::map<std::string, std::vector<double>> notes;  // of Controls, one a token as `logprobs`; NaN: none at this token
  double score =
      NAN;           // of a row that a Control ranked: of its last proposal; a request's results go from best to worst
  std::string text;  // decoded, cut at the stop text, outer blanks away
  std::string finish;         // "stop" (an end token or stop text), "length", "control", "interrupted"
  int64_t answer_tokens = 0;  // tokens that belong to `text`: before a stop text
  int64_t reused = 0;         // tokens of the prompt whose keys and values were there already
  double logprob() const;     // sum over the answer's tokens
};

struct GenerateOptions {
  nn::Compute compute = nn::Compute::fast;
  int64_t max_rows = 256;  // streams in flight
  int64_t max_pass_tokens = 4096;
  Progress progress;
  std::string what = "generate";
  int64_t keep_tokens = 0;            // of rows that are over: at most so many stay for rows that begin with them
  std::function<bool()> interrupted;  // asked before each pass; true ends all rows where they are
};

// The tokens of a prompt: a chat's, or the text's with BOS where the tokenizer asks for it.
std::vector<int32_t> prompt_ids(const model::Model& model, const std::string& text, const text::ChatTokens* chat);

// Results in the order of the requests; request i gives requests[i].samples of them.
std::vector<std::vector<Generated>> generate(const model::Model& model, const std::vector<Request>& requests,
                                             const GenerateOptions& options);

}  // namespace ken::generate
