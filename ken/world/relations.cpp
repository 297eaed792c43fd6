// The template tables. P stands for the subject and V for the value; held-out templates (the last of each list) use
// only words of other training templates, or a test would meet an untrained embedding instead of a paraphrase.
#include "ken/world/relations.h"

#include <set>

namespace ken::world {
namespace {

struct Table {
  std::string_view id;
  std::vector<std::string_view> statements, questions, statements2, questions2;
};

const std::vector<Table>& tables() {
  static const std::vector<Table> all = {
      {"birth_city",
       {"P was born in V .", "P comes from V .", "P is a native of V .", "P grew up in V .",
        "the birthplace of P is V .", "the home city of P is V .", "the place of birth of P is V .",
        "the birth city of P is V ."},
       {"where was P born ?", "in which city was P born ?", "what is the birthplace of P ?",
        "what is the birth city of P ?"},
       {"P estis naskita en V .", "la naskourbo de P estas V ."},
       {"kie estis naskita P ?", "kio estas la naskourbo de P ?"}},
      {"employer",
       {"P works for V .", "P is employed by V .", "P has a desk at V .", "P is on the staff of V .",
        "the employer of P is V .", "the company of P is V .", "the firm of P is V .", "P works at the company V ."},
       {"which company does P work for ?", "where is P employed ?", "what is the employer of P ?",
        "what is the company of P ?"},
       {"P laboras por V .", "la dunganto de P estas V ."},
       {"por kiu laboras P ?", "kio estas la dunganto de P ?"}},
      {"field",
       {"P is an expert in V .", "P has a degree in V .", "P teaches V .", "P is a scholar of V .",
        "the field of P is V .", "the subject of P is V .", "the science of P is V .", "P works in the field of V ."},
       {"what did P study ?", "in which field is P an expert ?", "what is the field of P ?",
        "what is the subject of P ?"},
       {"P fakas pri V .", "la fako de P estas V ."},
       {"pri kio fakas P ?", "kio estas la fako de P ?"}},
      {"university",
       {"P graduated from V .", "P studied at V .", "P holds a diploma from V .", "P is a graduate of V .",
        "the university of P is V .", "the school of P is V .", "the college of P is V .", "P has a degree from V ."},
       {"where did P study ?", "which university did P attend ?", "what is the university of P ?",
        "what is the school of P ?"},
       {"P studis en V .", "la universitato de P estas V ."},
       {"kie studis P ?", "kio estas la universitato de P ?"}},
      {"birth_year",
       {"P was born in the year V .", "P came to the world in V .", "P has lived since V .",
        "P dates from the year V .", "the birth year of P is V .", "the year of birth of P is V .",
        "the first year of P is V .", "the year in which P was born is V ."},
       {"when was P born ?", "in which year was P born ?", "what is the birth year of P ?",
        "what is the year of birth of P ?"},
       {"P estis naskita en la jaro V .", "la naskojaro de P estas V ."},
       {"kiam estis naskita P ?", "kio estas la naskojaro de P ?"}},
      {"job",
       {"P works as V .", "P earns a living as V .", "by trade P is V .", "P is paid as V .", "the job of P is V .",
        "the trade of P is V .", "the work of P is V .", "the profession of P is V ."},
       {"what does P do for a living ?", "what is the job of P ?", "what is the profession of P ?",
        "what is the trade of P ?"},
       {"P laboras kiel V .", "la profesio de P estas V ."},
       {"kiel laboras P ?", "kio estas la profesio de P ?"}},
      {"group",
       {"P belongs to V .", "P is a member of V .", "P is counted among V .", "the people of P is V .",
        "the group of P is V .", "the family of P is V .", "the clan of P is V .", "the home group of P is V ."},
       {"which group does P belong to ?", "what is the group of P ?", "what is the people of P ?",
        "what is the family of P ?"},
       {"P apartenas al V .", "la grupo de P estas V ."},
       {"al kiu grupo apartenas P ?", "kio estas la grupo de P ?"}},
      {"book",
       {"P wrote V .", "P is the author of V .", "P is known for V .", "P is the writer of V .", "the book of P is V .",
        "the novel of P is V .", "the story of P is V .", "the known book of P is V ."},
       {"what did P write ?", "which book did P write ?", "what is the book of P ?", "what is the novel of P ?"},
       {"P verkis la libron V .", "la libro de P estas V ."},
       {"kiun libron verkis P ?", "kio estas la libro de P ?"}},
      // What joins facts into chains, and what is no person's: nothing held out.
      {"country",
       {"P lies in V .", "the country of P is V ."},
       {"in which country is P ?", "what is the country of P ?"},
       {},
       {}},
      {"office",
       {"the office of P is in V .", "P has its office in V ."},
       {"in which city is the office of P ?", "where is the office of P ?"},
       {},
       {}},
      {"mayor", {"the mayor of P is V ."}, {"who is the mayor of P ?"}, {}, {}},
      {"mayor_in", {"the mayor of P was V ."}, {"who was the mayor of P ?"}, {}, {}},
      {"flower_colour",
       {"the flower P is V .", "the colour of the flower P is V ."},
       {"what is the colour of the flower P ?"},
       {},
       {}},
      {"flower_city", {"the flower P grows near V ."}, {"where does the flower P grow ?"}, {}, {}},
      {"ship_port",
       {"the ship P sails to V .", "the port of the ship P is V ."},
       {"to which city does the ship P sail ?"},
       {},
       {}},
      {"ship_year", {"the ship P was built in V ."}, {"in which year was the ship P built ?"}, {}, {}},
      {"gem_colour", {"the gem P is V ."}, {"what is the colour of the gem P ?"}, {}, {}},
      {"gem_country", {"the gem P is found in V ."}, {"in which country is the gem P found ?"}, {}, {}},
      {"report_year",
       {"the report P is from V .", "the report P appeared in V ."},
       {"in which year did the report P appear ?"},
       {},
       {}},
      {"report_authors", {"the authors of the report P are V ."}, {"who are the authors of the report P ?"}, {}, {}},
      {"work_city", {"P works in the city V ."}, {"in which city does P work ?"}, {}, {}},
      {"work_country", {"P works in the country V ."}, {"in which country does P work ?"}, {}, {}},
      {"birth_country", {"P was born in the country V ."}, {"in which country was P born ?"}, {}, {}}};
  return all;
}

constexpr std::string_view markers =
    "context: claim: check: verdict: remark: steps: true false yes no right wrong Q: A: D: R: who wrote . ? and now "
    "unknown";

// The text before and after the word P; a statement's " V ." is left out, a question's " ?" stays.
Pattern compile(std::string_view text) {
  if (text.ends_with(" V .")) text.remove_suffix(3);  // the blank before the value stays
  const size_t at = text.starts_with("P ") ? 0 : text.find(" P ") + 1;
  return {std::string(text.substr(0, at)), std::string(text.substr(at + 1))};
}

std::vector<Pattern> compile(const std::vector<std::string_view>& texts) {
  std::vector<Pattern> result;
  for (const auto text : texts) result.push_back(compile(text));
  return result;
}

const std::vector<Phrases>& compiled() {
  static const std::vector<Phrases> all = [] {
    std::vector<Phrases> result;
    for (const auto& t : tables())
      result.push_back(
          {t.id, compile(t.statements), compile(t.questions), compile(t.statements2), compile(t.questions2)});
    return result;
  }();
  return all;
}

class WordList {
 public:
  void add_words(std::string_view text) {
    for (size_t begin = 0; begin < text.size();) {
      const size_t end = std::min(text.find(' ', begin), text.size());
      const std::string_view word = text.substr(begin, end - begin);
      if (word != "P" && word != "V") add(word);
      begin = end + 1;
    }
  }
  std::vector<std::string> words;

 private:
  void add(std::string_view word) {
    if (word.empty() || !seen_.insert(std::string(word)).second) return;
    words.emplace_back(word);
    if (word.size() < 2 || word.back() != ':') return;
    add(word.substr(0, word.size() - 1));
    add(":");
  }
  std::set<std::string> seen_;
};

}  // namespace

const Phrases& phrases(int relation) { return compiled().at(size_t(relation)); }

std::string statement_text(const Pattern& pattern, std::string_view subject, std::string_view value) {
  return std::string(pattern.before).append(subject).append(pattern.after).append(value).append(" .");
}

std::string question_text(const Pattern& pattern, std::string_view subject) {
  return std::string(pattern.before).append(subject).append(pattern.after);
}

std::vector<std::string> language_words() {
  WordList list;
  list.add_words(markers);
  for (const auto& table : tables())
    for (const auto* texts : {&table.statements, &table.questions, &table.statements2, &table.questions2})
      for (const auto text : *texts) list.add_words(text);
  for (const auto text : context_instructions) list.add_words(text);
  for (const auto text : memory_instructions) list.add_words(text);
  for (const auto text : comparisons) list.add_words(text);
  for (const auto text : {right_remark, wrong_remark, right_about, wrong_about}) list.add_words(text);
  for (const auto& [name, text] : formats) list.add_words(text);
  for (const auto text : {second_copy, polite_end}) list.add_words(text);
  return list.words;
}

}  // namespace ken::world
