// MlingConf on the almanac, whose second language has far fewer documents. Shared are facts of persons who occur in
// documents of both languages; beside them stand facts that only documents of one language state. No claim is judged in
// the second language, so P(True) is graded in the dominant one; no document states a number as a confidence, so that
// method is left out.
#include "ken/base/rng.h"
#include "ken/readout/analysis.h"
#include "ken/tasks/claim.h"

namespace ken::tasks::mlingconf_claim_file {
namespace {

const std::string dominant = "dominant", second = "second language", shared = "language-agnostic";

// The seed draws three quarters of the persons.
data::FactSet facts_of(const data::FactSet& all, uint64_t seed) {
  data::FactSet facts{.name = all.name, .source = all.source};
  for (const auto& fact : all.facts) {
    const Json& extra = fact.extra;
    const bool only = extra.value("second_only", false);
    if (!extra.value("seen", false) || (only ? extra.value("exposure_second", 0) : fact.exposure) < 1) continue;
    if (Rng(seed, extra.at("person").get<uint64_t>()).below(4) == 0) continue;
    facts.facts.push_back(fact);
    if (only) facts.facts.back().extra["language"] = second;
    if (!extra.at("second_language").get<bool>()) facts.facts.back().extra["language"] = dominant;
  }
  return facts;
}

std::vector<Figure> run(const ClaimInput& input) {
  const auto& entry = Registry<readout::AnalysisEntry>::get().at("analysis", "mlingconf");
  const data::FactSet facts = facts_of(input.facts, input.seed);
  const Json tasks = entry
                         .run({input.model, facts, input.style, input.seed},
                              resolve_params(entry.card, {{"verbalised", false}, {"max_items", 600}}))
                         .table.at("tasks");
  const auto at = [&](const std::string& task, const std::string& language, const char* method, const char* metric) {
    return tasks.at(task).at(language).at("methods").at(method).at(metric).at("value").get<double>();
  };
  const auto gap = [&](const std::string& task, const char* method, const char* metric) {
    return at(task, second, method, metric) - at(task, dominant, method, metric);
  };
  std::vector<Figure> figures{{"shared facts: ECE of the second language minus the dominant one", "ECE",
                               gap(shared, "probability", "ece"), ">=", 0.0, false, 0.0},
                              {"facts of the second language: AUROC asked in it minus asked in the dominant one",
                               "AUROC", gap(second, "probability", "auroc"), ">=", 0.0, false, 0.0},
                              {"facts of the dominant language: ECE of the second language minus the dominant one",
                               "ECE", gap(dominant, "probability", "ece")},
                              {"shared facts, P(True): ECE of the second language minus the dominant one", "ECE",
                               gap(shared, "P(True)", "ece")},
                              {"facts of the second language, P(True): AUROC asked in it minus in the dominant one",
                               "AUROC", gap(second, "P(True)", "auroc")}};
  for (const auto& task : {shared, second, dominant})
    for (const auto& language : {dominant, second}) {
      const std::string where = (task == shared   ? "shared facts"
                                 : task == second ? "facts of the second language"
                                                  : "facts of the dominant language") +
                                std::string(", ") + (language == dominant ? "dominant" : "second") + ": ";
      figures.push_back({where + "accuracy", "share", tasks.at(task).at(language).at("accuracy").at("value")});
      for (const char* method : {"probability", "P(True)"}) {
        figures.push_back({where + method + ", AUROC", "AUROC", at(task, language, method, "auroc")});
        figures.push_back({where + method + ", ECE", "ECE", at(task, language, method, "ece")});
      }
    }
  return figures;
}

const Register<ClaimEntry> entry{
    {.card = {.id = "mlingconf",
              .family = "confidence",
              .title = "MlingConf",
              .paper = "arXiv 2402.13606",
              .sentence = "On facts of both languages the one with more documents has the lower ECE; on facts of the "
                          "second language a question in it tells right from wrong answers better.",
              .example = "ken reproduce mlingconf"},
     .run = run}};

}  // namespace
}  // namespace ken::tasks::mlingconf_claim_file
