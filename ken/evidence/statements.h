// Statements of three kinds, for readers of truth: true, false, and neither, about what the model cannot know.
#pragma once
#include "ken/readout/analysis.h"

namespace ken::evidence {

enum class Kind { yes, no, neither };  // true, false, neither

struct Statement {
  std::string text;
  std::string beginning, value;  // text = beginning + value + the rest, where the value of the statement is known
  Kind kind = Kind::yes;
  std::string group, relation;
};

// The claims of the facts: `truth` says true or false, and a claim whose record says {"kind": "neither"} is neither,
// whatever its truth; of a claim about no fact the record may hold its "relation" and its "value". Without claims of
// the first two kinds, a fact's statement is true, and false with the answer of another fact of its relation in it.
// `known`: of facts that the model answers rightly closed-book, as the label says what is true, not what the model
// takes for true; claims about no fact stay. As many of each kind, at most `max_items` in all, drawn by the seed. An
// Error names a kind that is missing and how to give it.
std::vector<Statement> statements(const readout::AnalysisInput& input, size_t max_items, bool known);

}  // namespace ken::evidence
