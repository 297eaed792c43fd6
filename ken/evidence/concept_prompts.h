// Prompts that bear a concept, with its classes: a user's labelled texts, or the questions of a relation by the answers
// that the model gives. And what does not bear it: questions of other relations, and running text. Shared by what
// erases a concept and asks what is left.
#pragma once
#include "ken/evidence/asking.h"
#include "ken/readout/analysis.h"
#include "ken/readout/erasure.h"

namespace ken::evidence {

using TokenLists = std::vector<std::vector<int32_t>>;

// Questions as they were asked of the plain model; the facts are those of the input.
struct Questions {
  std::vector<generate::Request> requests;
  std::vector<const std::vector<std::string>*> answers;  // accepted
  std::vector<const data::Fact*> facts;
  std::vector<generate::Generated> given;  // greedily
  std::vector<char> right;

  Questions of(const std::vector<size_t>& chosen) const;
};
// Of at most `most` wanted facts, drawn by the seed; `variants`: also in the other wordings that do not name the
// answer.
Questions ask_questions(const readout::AnalysisInput& input, const std::function<bool(const data::Fact&)>& wanted,
                        size_t most, bool variants);
// Which of these are answered rightly, greedily, under the Controls.
std::vector<char> right_answers(const readout::AnalysisInput& input, const Questions& questions,
                                const std::vector<generate::ControlSpec>& controls);

constexpr int64_t judged_texts = 100;  // of the input's: the first ones

// Known questions of other relations, and texts behind the judged ones. `rows`: those of three fifths of the groups
// with their answers, and of the texts; `last`: of a question, from the last row of the prompt on; else all but the
// first, on which attention rests and whose length drowns the others'.
struct Others {
  std::vector<readout::Rows> rows;
  Questions judged;  // of the other two fifths
};
Others other_questions(const readout::AnalysisInput& input, const std::string& relation, bool last);

struct ConceptPrompts {
  std::vector<std::string> names;  // of the classes
  TokenLists prompts, written;     // tokens; of questions also the answers'
  std::vector<int> classes;
  std::vector<std::string> groups;
  std::vector<size_t> fit, judged;  // of three and two fifths of the groups; judged: only questions answered rightly
  Questions questions;              // as many as prompts; none where texts were given

  std::vector<readout::Rows> rows(bool last) const;  // of what is fitted on, as Others'
  std::vector<size_t> known_fit() const;             // questions that are fitted on and answered rightly
};
// Either a file of labelled texts or a relation. An Error where less than two classes have `least` prompts.
ConceptPrompts concept_prompts(const readout::AnalysisInput& input, const std::string& file,
                               const std::string& relation, size_t most, size_t least);

}  // namespace ken::evidence
