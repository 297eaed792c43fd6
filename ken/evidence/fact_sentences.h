// What a freely written sentence says about the subjects of a fact set: read by the forms of the facts' own statements.
#pragma once
#include <map>
#include <optional>
#include <set>

#include "ken/data/facts.h"

namespace ken::evidence {

struct Told {
  std::string subject, relation, value;
};

class FactSentences {
 public:
  // Facts whose statement does not hold their subject and their first answer give no form.
  explicit FactSentences(const std::vector<data::Fact>& facts);

  // What the text says where it begins with a plausible statement: of a relation's form, about a subject of the facts
  // or one put together from the words of subjects (each in its place), with a value that some fact of the relation
  // has. Nothing for any other text.
  std::optional<Told> read(const std::string& text) const;
  // The fact about this subject and relation, or null.
  const data::Fact* fact_of(const Told& told) const;
  static bool is_true(const Told& told, const data::Fact* fact);
  // The fact in every form of its relation.
  std::vector<std::string> statements(const data::Fact& fact) const;
  // How many different things read() can return.
  double plausible() const;

 private:
  struct Form {
    std::string before, middle, after;
    bool subject_first = true;
    auto operator<=>(const Form&) const = default;
  };
  struct Relation {
    std::vector<Form> forms;
    std::set<std::string> values;  // normalised
    std::map<std::string, const data::Fact*> facts;
  };
  static std::optional<Form> form_of(const data::Fact& fact);
  static std::optional<std::pair<std::string, std::string>> match(const Form& form, const std::string& text);
  bool plausible_subject(const std::string& subject) const;

  std::map<std::string, Relation> relations_;
  std::map<size_t, std::vector<std::set<std::string>>> words_;  // of subjects, by their number of words, then place
};

}  // namespace ken::evidence
