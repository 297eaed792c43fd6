// Contrast pairs as a model reads them: what activation patching, path patching and knock-out start from.
#pragma once
#include "ken/data/pairs.h"
#include "ken/readout/analysis.h"
#include "ken/readout/patching.h"

namespace ken::readout {

struct Contrasts {
  std::vector<data::ContrastPair> pairs;
  std::vector<std::vector<int32_t>> clean, corrupt;  // tokens, as many in both
  std::vector<int32_t> right, wrong;                 // the first tokens of the two answers; they differ
  std::vector<int64_t> first, last;                  // the stretch of tokens in which the prompts differ
  size_t dropped = 0;                                // pairs that the model does not tell apart
};

struct PairOptions {
  std::string kind = "subject";  // data::subject_pairs, "passage": data::passage_pairs of conflicts and readings
  std::string file = {};         // data::read_pairs instead
  size_t most = 100;
  double least_gap = 0;  // logit(right) - logit(wrong), of the clean prompt minus of the corrupt one: at least this
};

// Pairs whose clean prompt the model answers with `right` (greedily, by its first token). An Error where fewer than ten
// remain.
Contrasts contrasts(const AnalysisInput& input, const PairOptions& options);
// The first token of an answer behind its prompt; -1 where the two are not tokenised apart.
int32_t first_answer_token(const data::Encode& encode, const std::string& prompt, const std::vector<int32_t>& tokens,
                           const std::string& answer);
std::vector<Param> pair_params();  // of a card: pairs, file, max_pairs, least_gap
PairOptions pair_options(const Json& params);

// Where a token stands: "first changed", "middle changed", "last changed", "next", "between", "last token"; "before"
// the prompts differ, where no patch can change anything.
const std::vector<std::string>& place_names();                           // without "before"
int place_of(const Contrasts& contrast, size_t pair, int64_t position);  // index in place_names(); -1: before

// logit(right) - logit(wrong) of rows of logits [n, vocab], for the pairs of these numbers: [n].
Tensor logit_difference(const Tensor& logits, const Contrasts& contrast, const std::vector<size_t>& pairs);

}  // namespace ken::readout
