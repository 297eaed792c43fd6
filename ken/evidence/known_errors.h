// Wrong answers by what the model knows: prompts that make a model err on facts that it knows, the same for facts that
// it does not know.
#pragma once
#include <array>

#include "ken/evidence/knowledge.h"
#include "ken/readout/analysis.h"

namespace ken::evidence {

enum class ErrorKind { none, known, unknown };  // right; wrong although known (HK+); not known (HK-)

struct Derailed {
  const data::Fact* fact;
  generate::Request request;  // prompt.without_context is the closed-book prompt
  std::string answer = {};
  int count = 0;  // right answers closed-book
  ErrorKind kind = ErrorKind::none;
};

// "bad-shots": three questions with wrong answers of their relation come first; "story": `story` as a passage and one
// question with its right answer; "passage": a passage contradicts the fact (those of the facts without an instruction,
// else swapped statements).
struct DerailOptions {
  std::string derail = "bad-shots", story = {};
  int samples = 5;
  double temperature = 0.5;
  size_t max_items = 900;  // facts asked, drawn by the seed
};

// Facts that all closed-book answers (greedy and samples) get right are known, those that none does are unknown; the
// others are left out, as are unknown facts that the derailing prompt gives away.
std::vector<Derailed> known_errors(const readout::AnalysisInput& input, const DerailOptions& options);

// An Error where a kind has fewer than `least` cases, with the counts.
void check_kinds(const std::vector<Derailed>& cases, const std::string& where, size_t least = 20);
std::array<size_t, 3> count(const std::vector<Derailed>& cases);  // of each kind

}  // namespace ken::evidence
