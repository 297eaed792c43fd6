// Passages that bind values to subjects, a sentence each, and a question about one of them: entity tracking (Kim and
// Schuster 2023; Prakash et al., arXiv 2402.14811), made from any facts that have statements.
#pragma once
#include "ken/data/pairs.h"

namespace ken::data {

struct Binding {
  std::string id, relation, group;
  std::string statement, question;            // patterns with {subject} and {value}
  std::vector<std::string> subjects, values;  // of the sentences, in order
  size_t asked = 0;                           // which sentence the question is about
  std::string asked_subject() const { return subjects[asked]; }
  const std::string& answer() const { return values[asked]; }
  std::string passage() const;
};
std::string ask_binding(const PromptStyle& style, const Binding& item);

// Counterparts with the same tokens around other words:
struct BindingSet {
  Binding base;
  std::vector<Binding> unbound;  // other subjects and values in the passage; the question asks for base's subject
  Binding moved;                 // two sentences exchanged: the asked subject stands at another place, `moved.asked`
  Binding revalued;              // other values, the same subjects
  Binding relabelled;            // the same passage; the question is about another of its subjects
};

// Passages of `sentences` statements of one relation, each fact's statement as the pattern, values shuffled so that no
// memory tells them; all counterparts as many tokens long, `refills` of them unbound. At most `limit`, drawn by `seed`.
std::vector<BindingSet> bindings(const FactSet& facts, const PromptStyle& style, const Encode& encode, size_t sentences,
                                 size_t refills, uint64_t seed, size_t limit);

}  // namespace ken::data
