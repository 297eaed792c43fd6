// Questions on which two answers compete at one token: the right one, and the one that the model gives or would give
// instead. Shared by whatever asks where in the model the answer is decided.
#pragma once
#include "ken/evidence/asking.h"
#include "ken/readout/analysis.h"

namespace ken::evidence {

struct Contest {
  // What is read before the answers part: the prompt, and the tokens that both answers begin with.
  std::vector<int32_t> tokens;
  size_t shared = 0;                                // how many those are
  int32_t right = 0, wrong = 0;                     // where they part
  std::vector<int32_t> right_tokens, wrong_tokens;  // of the whole answers
  std::string right_text, wrong_text, given;
  bool failed = false;        // the model gave the wrong answer
  generate::Request request;  // as it was asked
  std::string kind;           // "closed book", or the kind of its passage
  size_t index = 0;           // in the set's facts, or contexts
  std::string group, relation;
  int64_t exposure = -1;
};

// Facts asked closed-book. The competing answer is the wrong one that the model gave; where it was right, the likeliest
// of the other answers to the same relation. At most `max_items` facts, drawn by the seed; facts whose competing
// answers cannot be told apart by a token are left out.
std::vector<Contest> closed_book_contests(const readout::AnalysisInput& input, size_t max_items);

// Conflict cases of one intent ("none", "context", "memory"). Right is what the passage says, or under "memory" what is
// true; the other one competes. Failed: the model gave the competing one. Cases with a third answer are kept, and have
// failed = false and `given` unlike either.
std::vector<Contest> passage_contests(const readout::AnalysisInput& input, const std::string& intent, size_t max_items);

inline std::vector<std::vector<int32_t>> tokens_of(const std::vector<Contest>& contests) {
  std::vector<std::vector<int32_t>> result;
  for (const Contest& c : contests) result.push_back(c.tokens);
  return result;
}

// Closed-book contests by relation and quarter of exposure, as indices.
std::vector<std::vector<int64_t>> exposure_cells(const std::vector<Contest>& contests);

// Sets the tokens of a contest from its request and its two texts; false where one answer begins the other or nothing
// of an answer is left, so that no token tells them apart.
bool set_tokens(const model::Model& model, Contest& contest);

}  // namespace ken::evidence
