// Facts that are asked in several languages: the fact's own question is in the dominant one, variants are in others.
#pragma once
#include "ken/evidence/asking.h"
#include "ken/readout/analysis.h"

namespace ken::evidence {

inline const std::string dominant_language = "dominant";

struct InLanguages {
  std::vector<std::string> languages;  // the dominant one first
  std::vector<data::Fact> facts;
  std::vector<std::string> bound;  // of each fact the language that it is bound to; empty: none

  const data::Variant& variant(size_t fact, const std::string& language) const;  // not of the dominant language
  generate::Request request(size_t fact, const std::string& language, const data::PromptStyle& style) const;
  const std::vector<std::string>& answers(size_t fact, const std::string& language) const;
};

// Facts with a variant in each language (`languages`: kinds of variants, with commas between). A fact's record may name
// the language that it is bound to under `bound`. At most `most` of those bound to one language, and of the unbound
// ones, drawn by the seed. An Error where none has all languages or a record names another language.
InLanguages in_languages(const readout::AnalysisInput& input, const std::string& languages, const std::string& bound,
                         size_t most);

}  // namespace ken::evidence
