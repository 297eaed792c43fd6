// sAwMIL on the almanac: statements of persons of no document are neither true nor false for the model. All statements
// are made alike: a sentence of a person with his value, or with that of another person.
#include "ken/base/error.h"
#include "ken/readout/analysis.h"
#include "ken/tasks/claim.h"

namespace ken::tasks::sawmil_claim_file {
namespace {

// Facts of persons of no document become claims that are neither, every second one with the value of another such
// person; the facts of the same relations that are left state what is true and what is false.
data::FactSet three_kinds(const data::FactSet& all) {
  data::FactSet set;
  set.name = all.name, set.source = all.source;
  std::map<std::string, std::vector<const data::Fact*>> unseen;
  for (const auto& fact : all.facts)
    if (fact.exposure == 0 && !fact.statement.empty() && fact.extra.contains("seen") && fact.extra["seen"] == false)
      unseen[fact.relation].push_back(&fact);
  for (const auto& fact : all.facts)
    if (fact.exposure > 0 && unseen.count(fact.relation)) set.facts.push_back(fact);
  for (const auto& [relation, facts] : unseen) {
    for (size_t i = 0; i < facts.size(); ++i) {
      std::string text = facts[i]->statement;
      const std::string &own = facts[i]->answers.front(), &value = facts[(i + i % 2) % facts.size()]->answers.front();
      if (const size_t at = text.rfind(own); at != std::string::npos) text.replace(at, own.size(), value);
      set.claims.push_back({"neither." + facts[i]->id,
                            "",
                            text,
                            false,
                            0,
                            facts[i]->group,
                            {{"kind", "neither"}, {"relation", relation}, {"value", value}}});
    }
  }
  return set;
}

double number(const Json& num) {
  return num.is_null() || num.at("value").is_null() ? NAN : num.at("value").get<double>();
}

// The mean depth of the layers that are no more than a standard error below the best, inside the training half.
double depth_of_best(const Json& table) {
  double best = 0, sum = 0, count = 0;
  for (const Json& layer : table.at("layers")) best = std::max(best, layer.at("held_out").get<double>());
  const double least = best - std::sqrt(best * (1 - best) / (table.at("statements").get<double>() / 2));
  for (const Json& layer : table.at("layers"))
    if (layer.at("held_out") >= least) sum += layer.at("depth").get<double>(), count += 1;
  return sum / count;
}

std::vector<Figure> run(const ClaimInput& input) {
  const data::FactSet facts = three_kinds(input.facts);
  const auto& entry = Registry<readout::AnalysisEntry>::get().at("analysis", "sawmil");
  const auto analyse = [&](const Json& params) {
    return entry.run({input.model, facts, input.style, input.seed}, resolve_params(entry.card, params)).table;
  };
  const Json known = analyse({{"labels", "known"}, {"form", "judged"}}),
             given = analyse({{"labels", "given"}, {"form", "judged"}, {"max_statements", 600}});
  const Json &baselines = known.at("baselines"), &checks = known.at("validity");
  const double coverage = number(known.at("coverage"));
  return {
      {"three-way accuracy, facts that the model answers rightly", "share", number(known.at("accuracy")), ">=", 0.8,
       false, 1.0 / 3},
      {"depth of the best layers", "share of depth", depth_of_best(known), ">=", 0.5},
      {"depth of the best layers, upper bound", "share of depth", depth_of_best(known), "<=", 0.9},
      {"depth of the one best layer", "share of depth", known.at("depth")},
      {"coverage's distance from nominal", "share", std::abs(coverage - known.at("nominal").get<double>()), "<=", 0.03},
      {"Matthews correlation", "correlation", number(known.at("matthews"))},
      {"three-way accuracy, all claims as labelled", "share", number(given.at("accuracy"))},
      {"three-way accuracy, machine on the last token", "share", number(baselines.at("last_token_svm").at("accuracy"))},
      {"three-way accuracy, difference of means", "share", number(baselines.at("mean_difference").at("accuracy"))},
      {"answered (sets of one label)", "share", number(known.at("answered"))},
      {"Matthews correlation of answered items", "correlation", number(known.at("answered_matthews"))},
      {"three-way accuracy on other relations", "share", number(checks.at("generalisation"))},
      {"three-way accuracy, labels at random", "share", number(checks.at("random_labels"))},
      {"cosine of the directions for true and false", "cosine", checks.at("cosine_true_false")},
      {"log p(verdict true) of true statements, + minus - the direction for true", "nats",
       number(checks.at("manipulation"))},
      {"the same, random direction", "nats", number(checks.at("manipulation_random_direction"))},
      {"the same, statements that are neither", "nats", number(checks.at("locality")), "", 0, true}};
}

const Register<ClaimEntry> entry{
    {.card = {.id = "sawmil",
              .family = "inside",
              .sentence = "Three kinds of statements (true, false, and of persons whom the model cannot know) are told "
                          "apart in late-middle layers, and conformal sets hold the right kind as often as promised."},
     .run = run}};

}  // namespace
}  // namespace ken::tasks::sawmil_claim_file
