// Choosing a token: temperature, top-k, top-p, min-p, and noise that depends on (seed, sequence, step, token) alone.
#pragma once
#include <cstdint>
#include <span>
#include <vector>

namespace ken::generate {

struct Sampling {
  double temperature = 0;  // 0: the most likely token (ties: the lowest id)
  int64_t top_k = 0;       // 0: all
  double top_p = 1;        // the smallest set of likeliest tokens whose probability reaches it
  double min_p = 0;        // tokens with p >= min_p * largest p
  uint64_t seed = 0;
};
void check(const Sampling& sampling);  // UsageError naming the value out of range

// Gumbel-max (so that the noise can be replayed under changed logits): argmax of logit / temperature + g over the
// tokens that the filters keep. Filters apply to the tempered distribution in the order top-k, top-p, min-p.
int32_t sample(std::span<const float> logits, const Sampling& sampling, uint64_t sequence, uint64_t step);

// The same with noise of the caller's, one number a token.
int32_t sample(std::span<const float> logits, const Sampling& sampling, std::span<const float> noise);

// The Gumbel noise of one token.
double gumbel(uint64_t seed, uint64_t sequence, uint64_t step, uint64_t token);

// What a distribution over tokens is like, from one pass over its logits; -inf is a token without a chance.
struct Spread {
  double max = 0, log_sum = 0;  // logprob of a token = its logit - max - log_sum
  double entropy = 0;           // nats
  double margin = 0;            // probability of the best token minus that of the second
  double certainty = 0;         // self-certainty: KL(uniform || p) over the tokens that have a chance, nats
};
Spread spread(std::span<const float> logits);

// A token that could have stood here, with its logprob in nats.
struct Alternative {
  int32_t token = 0;
  double logprob = 0;
};
// The `count` likeliest tokens, the best first; of equals the lowest id.
std::vector<Alternative> likeliest(std::span<const float> logits, int64_t count, const Spread& spread);

}  // namespace ken::generate
