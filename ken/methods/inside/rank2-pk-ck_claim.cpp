// The plane of memory and context on the almanac (arXiv 2511.01706). The world has questions that take two steps (the
// city or country where a person works, by the employer): beside them stand a passage that states the answer
// (supportive), one that states another (conflicting), or one that gives another employer, so that the passage gives
// the first step and memory the second (complementary). The questions are the same in all three, so that the question
// cannot tell. Conflicts of one step are fitted along with them and show grounded and ungrounded answers.
#include <map>

#include "ken/base/rng.h"
#include "ken/readout/analysis.h"
#include "ken/tasks/claim.h"

namespace ken::tasks::rank2_pk_ck_claim_file {
namespace {

using Facts = std::map<std::string, const data::Fact*>;

std::string with_value(const data::Fact& fact, const std::string& value) {
  std::string text = fact.statement;
  const size_t at = text.rfind(fact.answers.front());
  return at == std::string::npos ? text : text.replace(at, fact.answers.front().size(), value);
}

void add(data::FactSet& set, const data::Fact& fact, const std::string& kind, const std::string& passage,
         const std::string& says) {
  data::ContextCase item;
  item.id = kind + "-" + std::to_string(set.contexts.size());
  item.fact = fact.id, item.kind = kind, item.context = passage, item.question = fact.question;
  item.context_answers = {says}, item.answers = fact.answers, item.context_subject = fact.subject;
  item.group = fact.group;
  item.extra["two_steps"] = true;
  set.contexts.push_back(item);
}

// What the second step makes of another employer; nothing where the country of the office's city is not asked.
std::string by_employer(const Facts& facts, const data::Fact& asked, const data::Fact& office) {
  if (asked.relation == "work_city") return office.answers.front();
  const auto country = facts.find("country." + office.answers.front());
  return country == facts.end() ? "" : country->second->answers.front();
}

void add_two_steps(const data::FactSet& all, data::FactSet& set, uint64_t seed) {
  constexpr int others_each = 2;
  Facts facts;
  std::vector<const data::Fact*> offices;
  for (const auto& fact : all.facts) {
    facts[fact.id] = &fact;
    if (fact.id.starts_with("office.")) offices.push_back(&fact);
  }
  Rng rng(seed, 2);
  for (const auto& fact : all.facts) {
    if (fact.relation != "work_city" && fact.relation != "work_country") continue;
    const data::Fact& employer = *facts.at(fact.extra.at("hops").at(0));
    add(set, fact, "agree", fact.statement, fact.answers.front());
    for (int i = 0; i < others_each; ++i) {
      const data::Fact& office = *offices[rng.below(offices.size())];
      const std::string other = by_employer(facts, fact, office);
      if (other.empty() || other == fact.answers.front()) continue;
      add(set, fact, "conflict", with_value(fact, other), other);
      add(set, fact, "complementary", with_value(employer, office.subject), other);
    }
  }
}

data::FactSet cases_of(const data::FactSet& all, uint64_t seed) {
  data::FactSet set = all;
  set.contexts.clear();
  for (data::ContextCase item : all.contexts) {
    if (item.kind != "conflict" || !item.extra.value("seen", false)) continue;
    if (item.intent == "none") item.kind = "one step";
    set.contexts.push_back(item);
  }
  add_two_steps(all, set, seed);
  return set;
}

double number(const Json& num) { return num.at("value").is_null() ? NAN : num.at("value").get<double>(); }

std::vector<Figure> run(const ClaimInput& input) {
  const auto& entry = Registry<readout::AnalysisEntry>::get().at("analysis", "rank2-pk-ck");
  const data::FactSet facts = cases_of(input.facts, input.seed);
  const Json params = resolve_params(entry.card, {{"judge", "two_steps"}, {"max_items", 800}}),
             table = entry.run({input.model, facts, input.style, input.seed}, params).table;
  const Json &reading = table.at("reading").at("kind"), &grounded = table.at("grounded").at("conflicting");
  const auto taken = [&](const char* how, const char* source) {
    return number(table.at("interchange").at(how).at(source).at("source_answer"));
  };
  const auto leans = [&](const char* share) {
    return number(grounded.at("ungrounded").at(share)) - number(grounded.at("grounded").at(share));
  };
  const auto held = [](const char* name, const char* unit, double value) {
    return Figure{.name = name, .unit = unit, .value = value, .op = ">=", .bar = 0.05, .null = 0};
  };
  return {{"kinds from the plane", "macro AUROC", number(reading.at("plane"))},
          {"kinds from the one axis", "macro AUROC", number(reading.at("axis"))},
          {"kinds from a random plane", "macro AUROC", number(reading.at("random_plane"))},
          held("plane above the one axis", "macro AUROC", number(reading.at("plane_minus_axis"))),
          held("memory share as published (absolute), ungrounded above grounded", "share", leans("plain")),
          {"memory share between the instructed means, ungrounded above grounded", "share", leans("anchored")},
          {"ungrounded from the share between the means", "AUROC", number(grounded.at("auroc_anchored"))},
          {"memory's answer by exchange, plane", "rate", taken("plane", "memory")},
          {"the passage's answer by exchange, plane", "rate", taken("plane", "context")},
          {"memory's answer by exchange, one axis", "rate", taken("axis", "memory")},
          {"memory's answer by exchange, random plane", "rate", taken("random_plane", "memory")},
          {"axes that the means name", "0 or 1", double(table.at("axes").at("means_tell").get<bool>())},
          {"blocks under the plane", "blocks", table.at("layer").get<double>() + 1}};
}

const Register<ClaimEntry> entry{
    {.card = {.id = "rank2-pk-ck",
              .family = "inside",
              .title = "Rank-2 memory/context subspace",
              .paper = "arXiv 2511.01706",
              .sentence = "A plane separates supportive, conflicting and complementary passages that one axis merges, "
                          "and answers that the passage does not give lean to memory.",
              .example = "ken reproduce rank2-pk-ck",
              .cost = Cost::minutes},
     .run = run}};

}  // namespace
}  // namespace ken::tasks::rank2_pk_ck_claim_file
