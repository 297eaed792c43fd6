// Hidden knowledge on the almanac: facts of persons who occur in statements only, and facts stated in the second
// language only, are asked as English questions, which the model never saw of them. Controls: facts asked in documents,
// too, facts of persons of no document, and a probe with shuffled labels.
#include "ken/readout/analysis.h"
#include "ken/tasks/claim.h"

namespace ken::tasks::inside_out_claim_file {
namespace {

constexpr const char *statements = "statements only", *second = "second language only", *asked = "asked in documents",
                     *unseen = "in no document";
constexpr size_t most_of_a_kind = 120;

std::string kind_of(const data::Fact& fact) {
  const Json& extra = fact.extra;
  if (!extra.contains("qa_trained")) return "";
  if (!extra.value("seen", false)) return unseen;
  if (extra.value("second_only", false)) return extra.value("exposure_second", 0) > 0 ? second : "";
  if (fact.exposure < 1) return "";
  return extra.value("qa_trained", false) ? asked : statements;
}

// The facts with their kind; some of each kind are judged, evenly spread, of "asked in documents" those of every tenth
// person: the others are what the probe is trained on.
data::FactSet with_kinds(const data::FactSet& facts) {
  data::FactSet result;
  result.name = facts.name;
  std::map<std::string, std::vector<size_t>> of_kind;
  for (const auto& fact : facts.facts) {
    const std::string kind = kind_of(fact);
    if (kind.empty()) continue;
    const bool judged = kind != asked || fact.extra.at("person").get<int>() % 10 == 0;
    result.facts.push_back(fact);
    result.facts.back().extra["kind"] = kind;
    result.facts.back().extra["judged"] = false;
    if (judged) of_kind[kind].push_back(result.facts.size() - 1);
  }
  for (const auto& [kind, places] : of_kind) {
    const size_t n = std::min(places.size(), most_of_a_kind);
    for (size_t i = 0; i < n; ++i) result.facts[places[i * places.size() / n]].extra["judged"] = true;
  }
  return result;
}

double number(const Json& num) {
  const Json& value = num.contains("value") ? num.at("value") : num;
  return value.is_null() ? NAN : value.get<double>();
}

void add_kind(std::vector<Figure>& figures, const std::string& kind, const Json& found, bool side_effect = false) {
  const Json& difference = found.at("probe_minus_tokens");
  const auto add = [&](const std::string& what, const std::string& unit, double value) {
    figures.push_back({.name = kind + ": " + what, .unit = unit, .value = value, .side_effect = side_effect});
  };
  add("K by the probe minus K by token scores", "K", number(difference));
  for (const auto& [scorer, k] : found.at("K").items()) add("K by " + scorer, "K", number(k));
  add("K by the probe minus the best external K", "K", number(found.at("probe_minus_best_external")));
  add("answers never given", "questions", found.at("never_given"));
  add("never given, K* = 1 by the probe", "questions", found.at("never_given_but_known"));
  for (const char* how : {"greedy", "probe", "probe, gold added", "oracle"})
    add(std::string("accuracy, ") + how, "share", number(found.at("accuracy").at(how)));
}

std::vector<Figure> run(const ClaimInput& input) {
  const auto& entry = Registry<readout::AnalysisEntry>::get().at("analysis", "inside-out");
  const data::FactSet facts = with_kinds(input.facts);
  const auto found = entry.run(
      {input.model, facts, input.style, input.seed},
      resolve_params(
          entry.card,
          {{"judge", "judged"}, {"by", "kind"}, {"samples", 100}, {"training", 2000}, {"wrong_temperature", 1.3}}));
  const Json &table = found.table, &by = table.at("by");
  // Both kinds that were never asked about, weighted by their questions.
  double sum = 0, low = 0, high = 0, n = 0;
  for (const char* kind : {statements, second}) {
    const Json& d = by.at(kind).at("probe_minus_tokens");
    const double items = d.at("n");
    sum += items * number(d), n += items;
    low += items * d.at("ci")[0].get<double>(), high += items * d.at("ci")[1].get<double>();
  }
  std::vector<Figure> figures{
      {.name = "K by the probe minus K by token scores, facts never asked about",
       .unit = "K",
       .value = sum / n,
       .op = ">=",
       .bar = 0,
       .null = 0},
      {.name = "the same, lower end of the 95 % interval", .unit = "K", .value = low / n},
      {.name = "the same, upper end of the 95 % interval", .unit = "K", .value = high / n},
      {.name = "training pairs won, held out", .unit = "share", .value = table.at("probe").at("held_out_pairs_won")},
      {.name = "layer of the probe", .unit = "layer", .value = table.at("probe").at("layer")}};
  add_kind(figures, statements, by.at(statements));
  add_kind(figures, second, by.at(second));
  add_kind(figures, asked, by.at(asked), true);
  add_kind(figures, unseen, by.at(unseen), true);
  return figures;
}

const Register<ClaimEntry> entry{
    {.card = {.id = "inside-out",
              .family = "inside",
              .title = "Inside-Out",
              .paper = "arXiv 2503.15299",
              .sentence =
                  "A probe on the model's states orders right and wrong answers better than the probabilities of "
                  "the answers do, where the model knows a fact but was never asked about it.",
              .example = "ken reproduce inside-out",
              .cost = Cost::minutes},
     .run = run}};

}  // namespace
}  // namespace ken::tasks::inside_out_claim_file
