// Edits of facts as notes, and what they should and should not change: for methods that keep edits beside the model.
#pragma once
#include <map>

#include "ken/base/rng.h"
#include "ken/evidence/asking.h"

namespace ken::evidence {

// A question with the answers that count, and the note that it is about, if one is.
struct Expected {
  generate::Request request;
  std::vector<std::string> answers;
  std::string note = {};
};
std::vector<generate::Generated> answers_to(const model::Model& model, const std::vector<Expected>& questions,
                                            const std::vector<generate::ControlSpec>& controls);
double share_right(const std::vector<Expected>& questions, const std::vector<generate::Generated>& given);

struct EditNotes {
  std::map<const data::Fact*, std::string> values;  // of edited facts
  std::vector<std::string> notes;                   // their statements with it
  // "edited" and "paraphrase" expect the edit, "kept" (facts without a note) what the unedited model says; with
  // "choice " before it: of a quarter of the groups, for choosing settings.
  std::map<std::string, std::vector<Expected>> questions;
};

// The first `count` facts get the value of another fact of their relation, drawn by the seed; at most `most` questions
// of a kind.
EditNotes edit_notes(const model::Model& model, const std::vector<const data::Fact*>& facts, size_t count, size_t most,
                     const data::PromptStyle& style, uint64_t seed);

// What can go wrong between a note and its answer, each apart: the share of questions that have their note among the k
// nearest, and of those that are answered rightly beside their note alone.
double notes_found(const EditNotes& made, const std::string& kind, size_t k, bool names);
double share_right_beside_note(const model::Model& model, std::vector<Expected> questions,
                               const std::string& instruction);

// Of settings of a Control that reads notes where "answerable", as it notes it, is at least its "margin": the one, and
// the margin, of the best harmonic mean of edited and kept questions answered as expected (EQ), by the "choice" ones.
Json best_reading(const model::Model& model, const EditNotes& made, const std::string& control,
                  const std::vector<Json>& settings);

}  // namespace ken::evidence
