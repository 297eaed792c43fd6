// The answers that a model may give to a fact's question: sampled ones, the greedy one and the right one, each once.
#pragma once
#include "ken/evidence/asking.h"
#include "ken/readout/analysis.h"

namespace ken::evidence {

// Facts that are judged and facts of other groups, which something may be fitted on. Judged are those whose record
// holds the name `judge` as true; without a name, those of half of the groups, drawn by the seed. Facts without an
// answer are left out.
struct FactSplit {
  std::vector<data::Fact> judged, others;
};
FactSplit split_facts(const readout::AnalysisInput& input, const std::string& judge);
// At most `most` of them, in an order drawn by the seed.
std::vector<data::Fact> draw_facts(std::vector<data::Fact> facts, size_t most, uint64_t seed);

struct Candidate {
  std::string text;
  bool right = false;  // by the fact's accepted answers, after normalisation
  bool greedy = false;
  int64_t samples = 0;  // how many gave it; 0 and not greedy: only the fact says it
  bool given() const { return greedy || samples > 0; }
};

// Of each fact: distinct answers (after normalisation) in the order greedy, by first sample, the fact's first answer;
// empty ones are left out.
std::vector<std::vector<Candidate>> answer_candidates(const readout::AnalysisInput& input,
                                                      const std::vector<data::Fact>& facts, int64_t samples,
                                                      double temperature);

// What scores say of candidates (higher is surer): the share of pairs of a right and a wrong one that they order
// rightly, where a tie fails; NaN without both classes.
double pairs_won(const std::vector<Candidate>& candidates, std::span<const double> scores);
bool two_classes(const std::vector<Candidate>& candidates);
bool right_was_given(const std::vector<Candidate>& candidates);
// Whether the best of those that the model gave is right, or the best of all; the first of equals counts.
bool best_is_right(const std::vector<Candidate>& candidates, std::span<const double> scores, bool all);

// The candidates of one question with their scores under each of several scorers.
struct ScoredCandidates {
  const std::vector<Candidate>* candidates;
  std::vector<std::vector<double>> scores;
};
// Share of right answers by how one is chosen: "greedy", "majority" of the samples, "oracle" (a right one was given),
// and for each scorer its best among those given, and with ", gold added" its best among all.
Json choice_accuracies(const std::vector<std::string>& scorers, const std::vector<ScoredCandidates>& questions);

// Of each fact that the model answers rightly: that answer, and a wrong one that a high temperature forced (looked for
// among 16 samples). What a probe of right answers is trained on.
struct ForcedPairs {
  std::vector<OptionItem> items;    // options: the right answer, the wrong one
  std::vector<std::string> groups;  // [2 items]
  std::vector<int> labels;          // [2 items]: 1, 0, 1, 0, ...
};
ForcedPairs forced_pairs(const readout::AnalysisInput& input, const std::vector<data::Fact>& facts, double temperature);

// The fact's question (or its variant's) with candidates behind it.
OptionItem with_answers(const data::PromptStyle& style, const generate::Request& request,
                        const std::vector<Candidate>& candidates);

// The model's own judgement of each candidate, P(yes) / (P(yes) + P(no)) after the style's claim prompt: about the
// fact's statement with the candidate in place of its answer, or, where no statement holds it, about question and
// answer.
std::vector<std::vector<double>> p_true(const readout::AnalysisInput& input, const std::vector<data::Fact>& facts,
                                        const std::vector<std::vector<Candidate>>& candidates);

}  // namespace ken::evidence
