// Classifiers of bags of token states with two or more classes: one machine for each class against the others, and a
// softmax over their scores.
#pragma once
#include "ken/readout/collect.h"
#include "ken/readout/svm.h"

namespace ken::readout {

struct Bags {
  Tensor values, valid;   // [n, k, d] f32, [n, k] bool; place 0 is the one that a single-instance machine reads
  std::vector<int> kind;  // [n] class
  std::vector<std::string> groups;
  int64_t size() const { return int64_t(kind.size()); }
  Bags select(const std::vector<int64_t>& rows) const;
};

// sawmil: stage 1, a machine on the bags' means ranks the tokens of positive bags; stage 2, a machine on tokens, of
// which positive are, among the eta N best of the N tokens of positive bags, those in the first `signal` places (eta =
// their share among the N), or all of the best where those are under 5 %; a bag scores as its best token (Savcisens and
// Eliassi-Rad 2025, after Bunescu and Mooney 2007). The others read place 0 alone.
enum class BagMethod { sawmil, single, mean_difference };

struct BagOptions {
  BagMethod method = BagMethod::sawmil;
  int classes = 3;
  int64_t signal = 2;
  int folds = 3;  // grouped; they choose C for each class, and give the scores that the softmax is fitted on
  uint64_t seed = 0;
  std::vector<double> strengths = {0.3, 3, 30, 300};
};

struct BagReader {
  BagMethod method;
  std::vector<Svm> machines;  // [classes]
  Softmax softmax;
  double held_out = 0;                           // accuracy over the folds
  Tensor probabilities(const Bags& bags) const;  // [n, classes] f64
};
BagReader fit_bags(const Bags& bags, const BagOptions& options);

std::vector<int> most_likely(const Tensor& probabilities);

// A prompt of whose last `size` tokens the states are collected, the last one first.
Item bag_item(const std::string& prompt, int64_t size, std::shared_ptr<const text::ChatTokens> chat = nullptr);

// Layers after each tenth of a model's depth; all of them where they are fewer than ten. Ascending, from 0.
std::vector<int64_t> tenths_of_depth(int64_t layers);

// Which tokens stage 2 takes for positive, [n * k] in {0, 1}: y [n] are the bags' labels.
std::vector<int> token_labels(const Svm& first, const Bags& bags, const std::vector<int>& y, int64_t signal);

}  // namespace ken::readout
