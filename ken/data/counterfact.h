// One record of CounterFact (Meng et al., arXiv 2202.05262): a fact as the beginning of a sentence, and what an edit
// would make of it.
#pragma once
#include <string>
#include <vector>

#include "ken/base/json.h"

namespace ken::data {

struct CounterFact {
  std::string id, relation, subject;
  std::string beginning;  // the prompt with its subject: "The mother tongue of Ada Lovelace is"
  std::string target_true, target_new;
  std::vector<std::string> paraphrases;   // other beginnings of the same fact
  std::vector<std::string> neighborhood;  // beginnings about other subjects with the same true target
};

// Whether a record is meant as one of CounterFact.
bool is_counterfact(const Json& record);
// An Error at `where` with what is missing or of the wrong kind. Without a case_id, the id is "line" + `line`.
CounterFact read_counterfact(const Json& record, const std::string& where, size_t line);

}  // namespace ken::data
