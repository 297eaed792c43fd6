// Self-ensembled in-context learning on the almanac (arXiv 2312.13772): the facts of persons whose answer is one of few
// (a city, an employer, ...), of persons in documents and in none, asked with three worked examples by six prompts:
// other examples in another order, and another of the relation's four wordings (the last of them in no document).
// Against single prompts in the usual wording, the mean over the six must lower the ECE and keep the accuracy, for the
// organism as it is, which has read no document of worked examples, and after light tuning on 50 facts so asked.
// The bar on the ECE is not reached: the organism's single answers are little overconfident, and the mean makes answers
// less sure and right more often, so that they end underconfident; after tuning that costs more than it gains.
#include "ken/readout/analysis.h"
#include "ken/tasks/claim.h"
#include "ken/world/relations.h"

namespace ken::tasks::self_ensemble_calibration_claim_file {
namespace {

// Facts of persons with every wording of their question; what else the world asks is left out.
data::FactSet worded(const data::FactSet& facts) {
  data::FactSet set{.name = facts.name, .source = facts.source};
  for (const auto& fact : facts.facts)
    for (int relation = 0; relation < world::book; ++relation) {
      const auto& phrases = world::phrases(relation);
      if (phrases.id != fact.relation) continue;
      data::Fact& copy = set.facts.emplace_back(fact);
      copy.variants.clear();
      for (const auto& pattern : phrases.questions) {
        const std::string question = world::question_text(pattern, fact.subject);
        if (question != fact.question) copy.variants.push_back({"wording", question, fact.answers});
      }
    }
  return set;
}

void add(std::vector<Figure>& figures, const Json& table, const std::string& model) {
  const Json &runs = table.at(model), &single = runs.at("examples").at("single");
  const auto of = [&](const std::string& variation, const std::string& how, const char* what) {
    return runs.at(variation).at(how).at(what).get<double>();
  };
  const double ece = single.at("ece"), accuracy = single.at("accuracy");
  const auto lowered = [&](const char* variation, const char* how) { return 1 - of(variation, how, "ece") / ece; };
  figures.push_back({.name = model + ": ECE lowered by the mean of six prompts",
                     .unit = "of it",
                     .value = lowered("all", "mean"),
                     .op = ">=",
                     .bar = 0.3,
                     .null = 0});
  figures.push_back({.name = model + ": accuracy of the mean above single prompts",
                     .unit = "share",
                     .value = of("all", "mean", "accuracy") - accuracy,
                     .op = ">=",
                     .bar = 0});
  figures.push_back({.name = model + ": ECE of single prompts", .value = ece});
  figures.push_back({.name = model + ": accuracy of single prompts", .unit = "share", .value = accuracy});
  figures.push_back({.name = model + ": ECE of single prompts in all wordings", .value = of("all", "single", "ece")});
  figures.push_back({.name = model + ": ECE of the mean", .value = of("all", "mean", "ece")});
  for (const char* variation : {"examples", "order", "template"})
    figures.push_back({.name = model + ": ECE lowered by the mean, only the " + variation + " varied",
                       .unit = "of it",
                       .value = lowered(variation, "mean")});
  for (const char* how : {"max", "vote"})
    figures.push_back({.name = model + ": ECE lowered by the " + how, .unit = "of it", .value = lowered("all", how)});
  figures.push_back({.name = model + ": macro-F1 of the mean above single prompts",
                     .value = of("all", "mean", "macro_f1") - single.at("macro_f1").get<double>(),
                     .side_effect = true});
}

std::vector<Figure> run(const ClaimInput& input) {
  const auto& entry = Registry<readout::AnalysisEntry>::get().at("analysis", "self-ensemble-calibration");
  const Json params{{"separator", " "}, {"variants", "wording"}, {"shots", 3},
                    {"ensemble", 6},    {"tuning_items", 50},    {"max_items", 300}};
  const auto facts = worded(input.facts);
  const Json table = entry.run({input.model, facts, input.style, input.seed}, resolve_params(entry.card, params)).table;
  std::vector<Figure> figures;
  for (const char* model : {"few-shot", "tuned"}) add(figures, table, model);
  return figures;
}

const Register<ClaimEntry> entry{
    {.card = {.id = "self-ensemble-calibration",
              .family = "confidence",
              .title = "Self-ensembled in-context learning",
              .paper = "arXiv 2312.13772",
              .sentence =
                  "The mean over six few-shot prompts has an ECE at least 30 % lower than single prompts and is "
                  "right as often, with and without tuning.",
              .example = "ken reproduce self-ensemble-calibration",
              .cost = Cost::minutes},
     .run = run}};

}  // namespace
}  // namespace ken::tasks::self_ensemble_calibration_claim_file
