// Conflicts about what a model knows, and what a Control does to its answers: which source it follows, what it answers
// where the sources agree or there is only one, and how its text reads to the model without the Control. Shared by what
// steers between passage and memory.
#pragma once
#include "ken/evidence/source_axes.h"

namespace ken::evidence {

struct SourceItem {
  data::ContextCase item;
  std::string group;
  std::string side;  // of the unsteered answer: "context", "memory" or "neither"
  Part part = Part::test;
};

// Counts over the items of one part.
struct SourceRates {
  int64_t n = 0, context = 0, memory = 0;
  int64_t from_memory = 0, to_context = 0;  // unsteered from memory; of those, now from the passage
  int64_t from_context = 0, to_memory = 0;
  int64_t neither() const { return n - context - memory; }
  double flipped(bool context_wanted) const;  // 0 where there was nothing to flip
};
Json to_json(const SourceRates& rates);  // each as {value, n, ci, metric}

// The conflicts that `facts` hold without an instruction, and nothing else but the instructed cases.
data::FactSet conflicts_of(const data::FactSet& facts);

class SourceChoice {
 public:
  // Asks at most `max_items` conflicts without an instruction, drawn by the seed, without and with their passage, and
  // keeps those whose fact the model answers rightly without it. The parts are those of SourceAxes: groups stand in
  // one. An Error where a part holds too few.
  SourceChoice(const readout::AnalysisInput& input, size_t max_items);

  const readout::AnalysisInput& input;
  std::vector<SourceItem> items;
  std::vector<size_t> of(Part part) const;
  std::vector<std::vector<int32_t>> prompts(const std::vector<size_t>& which) const;  // as the model reads them

  SourceRates rates(Part part, const std::vector<generate::ControlSpec>& controls) const;
  // The candidate, {its setting, its Control}, after which most answers of the validation part come from the source,
  // the first of equals; `tried` gets them all.
  size_t best(bool context, const std::vector<std::pair<Json, generate::ControlSpec>>& candidates, Json& tried) const;
  // What else changes, of the test part: right answers beside agreeing passages and without any; and the mean
  // log-likelihood a token, under the plain model, of what is written behind beginnings of texts.
  Json side_effects(const std::vector<generate::ControlSpec>& controls) const;

 private:
  std::vector<std::string> answers(const std::vector<generate::Request>& requests,
                                   const std::vector<generate::ControlSpec>& controls) const;
};

// Mean log-likelihood a token, under the plain model, of the `tokens` that it writes greedily under the Controls behind
// the first half of each text: nats, with the texts' bootstrap interval.
stats::Number fluency(const readout::AnalysisInput& input, const std::vector<generate::ControlSpec>& controls,
                      int64_t texts = 64, int64_t tokens = 16);

}  // namespace ken::evidence
