// EREN's claim (arXiv 2403.17431; conflict.md section 7) with a thousand edits as notes. Efficacy: the edited
// questions; generality: their paraphrases; locality: the unedited model's answers about facts that no note changes, of
// persons of whom other notes speak. Questions in two hops take two notes: where a person was born, and in which
// country that city lies. Settings are chosen on other persons, for the paper's form (notes read together, found by
// their words) and for that of this claim (by their names, read apart), so that both are at their best. What a miss
// comes from is told apart: whether the note is found, and whether it is read where it stands alone.
#include <unistd.h>

#include "ken/evidence/edit_notes.h"
#include "ken/tasks/claim.h"

namespace ken::tasks::eren_claim_file {
namespace {

using evidence::Expected;
constexpr size_t edits = 1000, most = 250;

// The persons' facts in the seed's order. Cities' countries, and what a question in two hops takes, come first: they
// are edited for sure.
std::vector<const data::Fact*> facts_of(const ClaimInput& input, std::map<std::string, const data::Fact*>& hops) {
  std::vector<const data::Fact*> facts;
  for (const data::Fact& f : input.facts.facts) {
    if (f.relation == "birth_country") hops[f.group] = &f;
    if (f.relation == "country" || (f.extra.value("seen", false) && !f.extra.value("second_only", false)))
      facts.push_back(&f);
  }
  Rng(input.seed).shuffle(facts);
  std::stable_partition(facts.begin(), facts.end(), [&](const data::Fact* f) {
    return f->relation == "country" || (f->relation == "birth_city" && hops.contains(f->group));
  });
  return facts;
}

std::vector<Expected> two_hops(const ClaimInput& input, const evidence::EditNotes& made,
                               const std::map<std::string, const data::Fact*>& hops) {
  std::map<std::string, std::string> country, country_note;
  for (const auto& [fact, value] : made.values)
    if (fact->relation == "country")
      country[fact->subject] = value, country_note[fact->subject] = evidence::statement_with(*fact, value);
  std::vector<Expected> questions;
  for (const auto& [fact, value] : made.values)
    if (fact->relation == "birth_city" && hops.contains(fact->group))
      questions.push_back({evidence::closed_book(*hops.at(fact->group), input.style),
                           {country.at(value)},
                           evidence::statement_with(*fact, value) + " " + country_note.at(value)});
  return questions;
}

// The first context instruction or none, and either option.
Json chosen(const ClaimInput& input, const evidence::EditNotes& made, Json params) {
  std::vector<std::string> instructions{""};
  for (const auto& item : input.facts.contexts)
    if (item.intent == "context" && instructions.size() < 2) instructions.push_back(item.instruction);
  std::vector<Json> settings;
  for (const auto& instruction : instructions)
    for (const char* option : {"sure", "gain"}) {
      params.update({{"instruction", instruction}, {"option", option}});
      settings.push_back(params);
    }
  return evidence::best_reading(input.model, made, "eren", settings);
}

std::vector<Figure> run(const ClaimInput& input) {
  std::map<std::string, const data::Fact*> hops;
  auto made = evidence::edit_notes(input.model, facts_of(input, hops), edits, most, input.style, input.seed);
  made.questions["hop"] = two_hops(input, made, hops);
  const fs::path file = fs::temp_directory_path() / fmt::format("ken-eren-claim-{}.txt", ::getpid());
  std::string notes;
  for (const auto& note : made.notes) notes += note + "\n";
  write_text(file, notes);
  const Json paper = chosen(input, made, {{"notes", file.string()}, {"k", 3}}),
             best = chosen(input, made, {{"notes", file.string()}, {"k", 8}, {"names", true}, {"apart", true}});
  using Controls = std::vector<generate::ControlSpec>;
  const auto control = [](Json params, const Json& more) {
    params.update(more);
    return Controls{generate::control_from("eren", params)};
  };
  const Controls eren = control(best, Json::object()), together = control(paper, Json::object()),
                 one_step = control(best, {{"margin", -1e9}}), twice = control(best, {{"rounds", 2}});
  fs::remove(file);
  const auto rate = [&](const char* kind, const Controls& controls) {
    return share_right(made.questions[kind], answers_to(input.model, made.questions[kind], controls));
  };
  const auto beside = [&](const char* kind) {
    return share_right_beside_note(input.model, made.questions[kind], best.at("instruction"));
  };
  const double efficacy = rate("edited", eren), locality = rate("kept", eren);
  return {
      {"efficacy: edited questions answered with the edit", "share", efficacy, ">=", 0.95, false, 0.0},
      {"locality: other questions answered as before", "share", locality, ">=", 0.95, false},
      {"questions that take two notes, answered with both (two rounds)", "share", rate("hop", twice), ">=", 0.5, false},
      {"generality: paraphrases answered with the edit", "share", rate("paraphrase", eren)},
      {"EQ: harmonic mean of efficacy and locality", "share", 2 * efficacy * locality / (efficacy + locality)},
      {"paper's form: efficacy", "share", rate("edited", together)},
      {"paper's form: locality", "share", rate("kept", together)},
      {"its note is the nearest by words", "share", notes_found(made, "edited", 1, false)},
      {"its note is among the three nearest by words", "share", notes_found(made, "edited", 3, false)},
      {"its note is among the eight nearest by words and names", "share", notes_found(made, "edited", 8, true)},
      {"edited questions beside their note alone", "share", beside("edited")},
      {"questions that take two notes, beside these alone", "share", beside("hop")},
      {"questions that take two notes, one round", "share", rate("hop", eren)},
      {"questions that take two notes, plain", "share", rate("hop", {})},
      {"efficacy without the way out", "share", rate("edited", one_step)},
      {"locality without the way out", "share", rate("kept", one_step)},
      {"with an instruction, chosen", "", double(!best.at("instruction").get<std::string>().empty())},
      {"option gain (else sure), chosen", "", double(best.at("option") == "gain")},
      {"margin, chosen", "nats", best.at("margin")}};
}

const Register<ClaimEntry> entry{
    {.card = {.id = "eren",
              .family = "steer",
              .sentence =
                  "With a thousand edits as notes, edited questions are answered with the edit and similar other "
                  "ones as before, each 95 % of the time or more, and questions that take two notes with both."},
     .run = run}};

}  // namespace
}  // namespace ken::tasks::eren_claim_file
