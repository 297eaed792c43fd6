// Where an answer beside a passage comes from: the passage, the model's memory, both or neither.
#pragma once
#include "ken/evidence/evidence.h"

namespace ken::evidence {

// The rule, on texts: an answer comes from memory when it is what the model answers without the passage, from the
// context when its words stand in the passage; from both or neither otherwise. The probabilities say how much the
// passage did: the same tokens after either prompt.
struct Source {
  std::string name;                            // "context", "memory", "both" or "neither"
  generate::Generated without;                 // the closed-book answer
  double p_with = 0, p_without = 0;            // of the given answer, beside the passage and without it
  double memory_with = 0, memory_without = 0;  // of the closed-book answer
};

// A question that stands in no facts, beside a passage unless that is empty.
generate::Request question_request(const std::string& question, const std::string& passage,
                                   const std::string& instruction, const data::PromptStyle& style);
// The same question without its passage, and without what was to steer its answer.
generate::Request without_passage(generate::Request request);

std::string source_of(const std::string& answer, const std::string& closed_book, const std::string& passage);

// `request` has a passage (prompt.without_context is its twin) and gave `answer`; `closed_book` is the answer to the
// twin, `passage` the passage's text.
Source trace(const model::Model& model, const generate::Request& request, const generate::Generated& answer,
             const generate::Generated& closed_book, const std::string& passage, nn::Compute compute);

// {answer, closed_book_answer}: {with_context, without}; null where there is nothing to compare.
Json probabilities(const Source& source);

}  // namespace ken::evidence
