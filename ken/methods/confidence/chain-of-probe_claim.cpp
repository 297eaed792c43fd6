// Chain-of-Probe on the almanac (arXiv 2406.16144). The organism has read questions with their steps written out ("Q:
// .. ? steps: EMPLOYER CITY COUNTRY A: COUNTRY", and with one step where the answer is the fact itself), so its own
// chains are probed, without tuning: "A:" after each word. One-step questions ask for a person's own facts; two and
// three steps lead from a person through an employer or a city to a city or a country. A chain is sound where its words
// are the facts on that way. Majority and curves choose among ten chains sampled at temperature 1.
// The curves lose. Where a first step is not known it is followed as surely as a known one (another employer, its city,
// its country), so that what is read after it tells nothing, while the majority counts how often it is taken. Tried:
// the fixed score, weights fitted over all chains, with b_i among the features, and for each number of steps apart.
#include "ken/readout/analysis.h"
#include "ken/tasks/claim.h"
#include "ken/train/organism.h"
#include "ken/world/people.h"
#include "ken/world/relations.h"

namespace ken::tasks::chain_of_probe_claim_file {
namespace {

// The question that takes several facts, of a person whom the world does not ask it as well.
data::Fact hop_fact(const world::Population& people, int person, int relation) {
  const bool by_work = relation != world::birth_country;
  const auto values = people.values(person);
  const int city = by_work ? people.office_of(values[world::employer]) : values[world::birth_city];
  const std::string id = "p" + std::to_string(person) + ".", place = people.value_text(world::birth_city, city);
  const auto& phrases = world::phrases(relation);
  data::Fact fact{.subject = people.name_text(people.name(person)), .relation = std::string(phrases.id)};
  fact.id = id + fact.relation, fact.group = "p" + std::to_string(person);
  fact.question = world::question_text(phrases.questions.front(), fact.subject);
  fact.answers = {relation == world::work_city ? place : people.words.countries[size_t(people.country_of(city))]};
  Json hops = Json::array({id + std::string(world::phrases(by_work ? world::employer : world::birth_city).id)});
  if (by_work) hops.push_back("office." + people.value_text(world::employer, values[world::employer]));
  if (relation != world::work_city) hops.push_back("country." + place);
  fact.extra["hops"] = hops;
  return fact;
}

// Of known persons: their own facts with few different answers, and all questions of several steps. The other facts
// stay, without a question, since the steps are looked up among them.
data::FactSet questions(const ClaimInput& input) {
  const auto params = train::world_of(input.model.metadata);
  if (!params) fail("chain-of-probe", "the model names no world; run the claim on an organism");
  const world::Population people(*params);
  data::FactSet set = input.facts;
  std::erase_if(set.facts, [](const data::Fact& fact) { return fact.extra.contains("hops"); });
  for (auto& fact : set.facts) {
    bool own = false;
    for (int relation = 0; relation < world::book; ++relation) own |= world::phrases(relation).id == fact.relation;
    if (!own || !fact.extra.value("seen", false)) fact.question.clear();
  }
  for (int person = 0; person < params->people; ++person)
    for (int hop = 0; hop < world::hop_count; ++hop)
      set.facts.push_back(hop_fact(people, person, world::first_hop + hop));
  return set;
}

std::vector<Figure> run(const ClaimInput& input) {
  const auto& entry = Registry<readout::AnalysisEntry>::get().at("analysis", "chain-of-probe");
  const Json params{{"opening", "Q: {question} steps:"}, {"cue", " A:"}, {"steps", "words"}, {"max_tokens", 8}};
  const auto facts = questions(input);
  const Json sets =
      entry.run({input.model, facts, input.style, input.seed}, resolve_params(entry.card, params)).table.at("by_steps");
  const auto curve = [&](const char* set, const char* what) {
    const Json& value = sets.at(set).at("greedy").at(what);
    const Json& number = value.is_object() ? value.at("value") : value;
    return number.is_null() ? NAN : number.get<double>();
  };
  const auto picked = [&](const char* way, const char* what) {
    return sets.at("several").at("selection").at(way).at(what).get<double>();
  };
  std::vector<Figure> figures = {{.name = "one step: answer settled before it",
                                  .unit = "share",
                                  .value = curve("1", "settled_before_first_step"),
                                  .op = ">=",
                                  .bar = 0.8},
                                 {.name = "several steps: answer switches within the chain",
                                  .unit = "share",
                                  .value = curve("several", "switches"),
                                  .op = ">=",
                                  .bar = 0.5},
                                 {.name = "several steps: sound chains by the fitted curve, above the majority's",
                                  .unit = "share",
                                  .value = picked("fitted", "sound") - picked("majority", "sound"),
                                  .op = ">=",
                                  .bar = 0.01,
                                  .null = 0},
                                 {.name = "several steps: answer switches after the first step",
                                  .unit = "share",
                                  .value = curve("several", "settles_after_second_step")},
                                 {.name = "several steps: right answers by a wrong chain",
                                  .unit = "share",
                                  .value = curve("several", "right_by_wrong_chain")},
                                 {.name = "several steps: right where the answer stood before the chain",
                                  .unit = "share",
                                  .value = curve("several", "accuracy_early")},
                                 {.name = "several steps: right where it did not",
                                  .unit = "share",
                                  .value = curve("several", "accuracy_not_early")}};
  for (const char* way : {"greedy", "random", "majority", "score", "fitted", "tree", "oracle"})
    figures.push_back(
        {.name = std::string("several steps: sound chains, ") + way, .unit = "share", .value = picked(way, "sound")});
  for (const char* way : {"majority", "fitted", "tree"})
    figures.push_back({.name = std::string("several steps: right answers, ") + way,
                       .unit = "share",
                       .value = picked(way, "right"),
                       .side_effect = true});
  return figures;
}

const Register<ClaimEntry> entry{
    {.card = {.id = "chain-of-probe",
              .family = "confidence",
              .title = "Chain-of-Probe",
              .paper = "arXiv 2406.16144",
              .sentence = "Answers that take one fact stand before the chain, answers that take several switch within "
                          "it, and the curve finds sound chains better than the majority of answers.",
              .example = "ken reproduce chain-of-probe",
              .cost = Cost::minutes},
     .run = run}};

}  // namespace
}  // namespace ken::tasks::chain_of_probe_claim_file
