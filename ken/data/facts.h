// Facts, and questions that put a passage beside a fact. A user's file and the almanac give the same structures.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "ken/base/files.h"
#include "ken/base/json.h"

namespace ken::data {

// The same fact asked in another way.
struct Variant {
  std::string kind;  // "paraphrase", "second language", "reversed": any word; variants of a kind are counted together
  std::string question;
  std::vector<std::string> answers;
  std::string prompt = {};     // the whole prompt, where it is not asked as other questions are
  std::string beginning = {};  // as of a Fact
};

struct Fact {
  std::string id;
  std::string subject;  // the words that a probe may look for in the question
  std::string relation;
  std::string question;
  std::vector<std::string> answers;  // accepted answers, the best first
  int64_t exposure = -1;             // how often it was seen in training, or popularity; -1 unknown
  std::string group;                 // facts of one group never stand on both sides of a split (a person)
  std::string statement;             // the fact as a sentence; may be empty
  std::vector<Variant> variants;
  Json extra = Json::object();  // whatever else the record holds
  std::string beginning = {};   // of a sentence that the answer completes, where no question is asked
};

// What a passage does to the question of a fact.
struct ContextCase {
  std::string id;
  std::string fact;         // id of the fact
  std::string kind;         // "conflict", "agree", "irrelevant", "reading"
  std::string context;      // the passage
  std::string instruction;  // words between passage and question; may be empty
  std::string intent;       // "none", "context", "memory": what the instruction asks for
  std::string question;
  std::vector<std::string> context_answers;  // what the passage says; empty when irrelevant
  std::vector<std::string> answers;          // the true answers
  std::string context_subject;  // where the passage's value and subject stand, for token positions; may be empty
  int64_t exposure = -1;
  std::string group;
  Json extra = Json::object();  // e.g. {"distractors": 2, "held_out": true}
  std::string beginning = {};   // as of a Fact
};

// A sentence that is true or false.
struct Claim {
  std::string id;
  std::string fact;  // id of the fact that it is about; may be empty
  std::string statement;
  bool truth = true;
  int64_t exposure = -1;  // of the fact
  std::string group;
  Json extra = Json::object();
};

struct FactSet {
  std::string name, source;  // file name or world id
  std::vector<Fact> facts;
  std::vector<ContextCase> contexts;
  std::vector<Claim> claims;
  bool popularity = false;  // exposure is how often a subject is looked up (s_pop), no count of training documents
};

// A shape of record that read_facts knows.
struct FactShape {
  std::string name, example;
};
const std::vector<FactShape>& fact_shapes();

// A records file; each record is one of fact_shapes(), told apart by its fields:
//   {question, answer | answers | possible_answers (a JSON list in text), subject?, relation? | prop?, id?, exposure? |
//   s_pop?, group?, statement?, context?}: a fact; so PopQA's TSV is read as it is. `beginning` may stand instead of
//   `question`. A context that holds an answer gives an agree case, another one an irrelevant case.
//   {question, org_context?, org_answer, sub_context, sub_answer} (NQ-Swap): a fact, its conflict and its agree case
//   {requested_rewrite, ...} (CounterFact): a fact with its paraphrases, a conflict case and an agree case
//   {kind, context, fact, ...}: a ContextCase of the fact it names; {claim, truth, ...}: a Claim
// A fact without a group gets its subject, else its question; "variants" is a list of {kind, question | beginning,
// answers?, prompt?}. Errors name file and line: a record of no known shape, no answer, an empty set, a duplicate id.
FactSet read_facts(const fs::path& path);

// Where a file holds no conflict cases but facts carry statements or the relation has several answers: swaps. For each
// fact with a statement that contains its answer, the answer is replaced by another fact's answer of the same relation
// (chosen by `seed`); at most `limit` cases. Empty when nothing can be swapped.
std::vector<ContextCase> swap_contexts(const FactSet& set, uint64_t seed, size_t limit);

// Every occurrence of `word` that is not inside a longer word becomes `by`.
std::string replace_words(std::string_view text, std::string_view word, std::string_view by);

// At most `limit` facts, drawn by `seed` and kept in order, with the cases and claims about them.
FactSet draw_facts(FactSet set, size_t limit, uint64_t seed);

Json to_json(const Fact& fact);
Json to_json(const ContextCase& item);
Json to_json(const Claim& claim);

// SQuAD-style comparison: NFKD, lower case, punctuation and articles (a, an, the) away, blanks folded.
std::string normalize_answer(std::string_view text);
bool same_answer(std::string_view given, const std::vector<std::string>& accepted);  // equal after normalisation
// Whether any accepted answer occurs in `given` on word boundaries, after normalisation.
bool contains_answer(std::string_view given, const std::vector<std::string>& accepted);

}  // namespace ken::data
