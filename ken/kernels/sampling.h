// The loops over a vocabulary that a step of generation takes, on plain floats.
#pragma once
#include <cstdint>
#include <span>

namespace ken::kernels {

// Of logits x: the two largest, and over all tokens sum e^(x - max) and sum (x - max) e^(x - max); `below` is the sum
// of x - max over the `finite` tokens whose logit is not -infinity.
struct LogitSums {
  float first = 0, second = 0;
  double sum = 0, weighted = 0, below = 0;
  int64_t finite = 0;
};
LogitSums logit_sums(std::span<const float> x);

float largest(std::span<const float> x);  // -infinity for none

// philox(key, high, low | (first + i)) of base/rng.h, four words each, for i < count; low must leave room below.
void philox_words(uint64_t key, uint64_t high, uint64_t low, uint32_t first, int64_t count, uint32_t* words);

}  // namespace ken::kernels
