// Choosing among wordings on the almanac: each fact's question as documents ask it, and the one wording that no
// document holds. Two wordings a fact leave little to choose from; the paper chooses among five.
#include "ken/readout/analysis.h"
#include "ken/tasks/claim.h"

namespace ken::tasks::best_paraphrase_claim_file {
namespace {

std::vector<Figure> run(const ClaimInput& input) {
  const auto& entry = Registry<readout::AnalysisEntry>::get().at("analysis", "best-paraphrase");
  const Json table =
      entry.run({input.model, input.facts, input.style, input.seed}, resolve_params(entry.card, Json::object())).table;
  const auto accuracy = [&](const char* how) { return table.at("accuracy").at(how).at("value").get<double>(); };
  std::vector<Figure> figures{{"accuracy, best read minus at random", "share",
                               accuracy("best read") - accuracy("at random"), ">=", 0.01, false, 0.0}};
  for (const auto& [name, value] : table.at("accuracy").items())
    figures.push_back({"accuracy: " + name, "share", value.at("value").get<double>()});
  figures.push_back({"AUROC of a right answer by reading", "", table.at("auroc_of_right").at("reading").get<double>()});
  figures.push_back(
      {"AUROC of a right answer by likelihood", "", table.at("auroc_of_right").at("likelihood").get<double>()});
  return figures;
}

const Register<ClaimEntry> entry{
    {.card = {.id = "best-paraphrase",
              .family = "steer",
              .sentence = "The wording whose words all count for the answer is answered rightly more often than one "
                          "drawn at random."},
     .run = run}};

}  // namespace
}  // namespace ken::tasks::best_paraphrase_claim_file
