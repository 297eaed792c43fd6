// The same question beside the same passage under three instructions: answer from memory, answer from the passage, and
// neither. What the three answers together say about how the two sources interact (arXiv 2511.01706). Shared by what
// looks for, or sets, the choice between context and memory.
#pragma once
#include "ken/evidence/asking.h"
#include "ken/readout/analysis.h"

namespace ken::evidence {

// Texts that take a prompt's instruction. Empty memory and context: those of the facts' own cases.
struct Instructions {
  std::string memory, context, both;
};

enum class Mode { memory, context, both };  // of an Instructed's runs, in this order

// a_C = a_P = a; a_C = a_P != a; a = a_P and a_C "unknown"; a is one of two different answers; a differs from two
// different ones.
enum class Interaction { supportive, noise, irrelevant, conflicting, complementary };
std::string name_of(Interaction interaction);
Interaction interaction_of(const std::string& from_memory, const std::string& from_context, const std::string& answer);

struct Run {
  std::string prompt;
  std::vector<int32_t> tokens;  // of the prompt
  generate::Generated answer;
  int32_t first() const { return answer.tokens.empty() ? -1 : answer.tokens.front(); }
  double sure() const { return answer.logprobs.empty() ? 0 : std::exp(answer.logprobs.front()); }  // of the first token
};

struct Instructed {
  data::ContextCase item;
  std::array<Run, 3> runs;  // by Mode
  Interaction interaction = Interaction::supportive;
  const Run& run(Mode mode) const { return runs[size_t(mode)]; }
};

// The cases without an intent of their own, as many of each kind where they last, at most `max_items`, drawn by the
// seed. The instructions of the facts are drawn for each item among those that its facts use. An Error without cases,
// or where neither the facts nor `given` hold instructions.
std::vector<Instructed> instructed_cases(const readout::AnalysisInput& input, const Instructions& given,
                                         size_t max_items);

}  // namespace ken::evidence
