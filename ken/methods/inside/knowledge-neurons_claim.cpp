// Knowledge neurons on the almanac (arXiv 2104.08696): a known answer loses probability without the few neurons that
// its attribution names, and hardly any without as many others.
#include "ken/readout/analysis.h"
#include "ken/tasks/claim.h"

namespace ken::tasks::knowledge_neurons_claim_file {
namespace {

std::vector<Figure> run(const ClaimInput& input) {
  const auto& entry = Registry<readout::AnalysisEntry>::get().at("analysis", "knowledge-neurons");
  const Json table =
      entry.run({input.model, input.facts, input.style, input.seed}, resolve_params(entry.card, Json::object())).table;
  const auto number = [&](const char* name) { return table.at(name).at("value").get<double>(); };
  return {{.name = "drop without 20 named neurons, above random ones",
           .unit = "probability",
           .value = number("drop_above_random"),
           .op = ">=",
           .bar = 0.05,
           .null = 0},
          {.name = "drop without 20 random neurons", .unit = "probability", .value = number("drop_without_random")},
          {.name = "completeness gap (median)",
           .unit = "share",
           .value = table.at("median_gap").get<double>(),
           .op = "<=",
           .bar = 0.05}};
}

const Register<ClaimEntry> entry{
    {.card = {.id = "knowledge-neurons",
              .family = "inside",
              .title = "Knowledge neurons",
              .paper = "arXiv 2104.08696",
              .sentence = "A known answer hangs on a few neurons, which integrated gradients name.",
              .example = "ken reproduce knowledge-neurons",
              .cost = Cost::minutes},
     .run = run}};

}  // namespace
}  // namespace ken::tasks::knowledge_neurons_claim_file
