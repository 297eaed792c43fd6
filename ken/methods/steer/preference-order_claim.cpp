// The order of preference on the almanac: no document assumes anything, so the organism was never taught that the
// user's assumption comes first. The paper finds that models which were not tuned for the order break it.
#include "ken/readout/analysis.h"
#include "ken/tasks/claim.h"

namespace ken::tasks::preference_order_claim_file {
namespace {

std::vector<Figure> run(const ClaimInput& input) {
  const auto& entry = Registry<readout::AnalysisEntry>::get().at("analysis", "preference-order");
  const Json table = entry
                         .run({input.model, input.facts, input.style, input.seed},
                              resolve_params(entry.card, {{"assume", "{statement} ."}}))
                         .table;
  double assumed = 0, cells = 0;
  std::vector<Figure> figures;
  for (const Json& cell : table.at("cells")) {
    const std::string a = cell.at("assumption"), p = cell.at("passage"),
                      name = fmt::format("assumption {}, passage {}", a, p);
    if (a == "present") assumed += cell.at("violation").at("value").get<double>(), ++cells;
    figures.push_back({name + ": accuracy", "share", cell.at("accuracy").at("value")});
    figures.push_back({name + ": follows a lower source", "share", cell.at("violation").at("value")});
  }
  figures.insert(figures.begin(),
                 {"violations where the user assumes something", "share", assumed / cells, ">=", 0.1, false, 0.0});
  for (const auto& [name, value] : table.at("robustness").items())
    figures.push_back({"robustness " + name, "share", value.get<double>(), "", 0, true});
  figures.push_back({"items", "facts", table.at("items").get<double>()});
  return figures;
}

const Register<ClaimEntry> entry{
    {.card = {.id = "preference-order",
              .family = "steer",
              .sentence =
                  "A model that was not tuned for the order of preference follows a lower source than it should "
                  "in a tenth of its answers or more."},
     .run = run}};

}  // namespace
}  // namespace ken::tasks::preference_order_claim_file
