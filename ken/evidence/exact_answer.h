// Answers that go on: where, in what a model writes, the answer itself stands. By rule, for facts with short answers.
#pragma once
#include "ken/evidence/asking.h"
#include "ken/readout/analysis.h"
#include "ken/readout/spans.h"

namespace ken::evidence {

// A fact asked so that the model may write on: as its question, or as the beginning of its own statement.
struct OpenFact {
  const data::Fact* fact = nullptr;
  generate::Request request;      // without stop texts
  std::vector<std::string> ends;  // the exact answer ends before any of these
};
// At most `max_items`, drawn by the seed. As a statement only facts whose statement names the subject before the
// answer.
std::vector<OpenFact> open_facts(const readout::AnalysisInput& input, bool as_statement, size_t max_items);

struct LongAnswer {
  std::vector<int32_t> tokens;   // with the end token, where one ended the text
  std::vector<double> logprobs;  // of each
  std::string exact;             // empty: no answer can be told; to be left out everywhere
  readout::Span span;            // of `exact` among the tokens
  bool right = false;
};
LongAnswer read_answer(const text::Tokenizer& tokenizer, const generate::Generated& answer, const OpenFact& asked);

// Greedy answers of at most `max_tokens` tokens whose exact answer can be told.
struct OpenAnswers {
  std::vector<OpenFact> asked;
  std::vector<LongAnswer> answers;
  std::vector<int> labels;  // 1: right
  std::vector<std::string> groups;
  size_t invalid = 0;  // answers that hold none; left out
};
OpenAnswers ask_open(const readout::AnalysisInput& input, bool as_statement, size_t max_items, int64_t max_tokens);

// What R sampled exact answers say of a question (Orgad et al., arXiv 2410.02707). Wrong answers that contain one
// another, case aside, are one; "" is no answer.
struct Resampled {
  int64_t samples = 0, right = 0;
  int64_t distinct_wrong = 0, most_wrong = 0;  // clusters of wrong answers, and the largest one's size
  bool mostly_none = false;                    // the largest is "no answer"
};
Resampled resample(const std::vector<std::string>& exact, const std::vector<std::string>& accepted);

// Names of the types that the question is of; they overlap. Thresholds are the authors', by integer division.
inline const std::vector<std::string> error_type_names = {"consistently correct", "consistently incorrect",
                                                          "two competing", "many answers", "no answer"};
std::vector<std::string> error_types(const Resampled& counts);

}  // namespace ken::evidence
